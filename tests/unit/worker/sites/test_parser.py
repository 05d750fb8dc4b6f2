"""What the sites file may say, and what it is told where it says something else."""

import re
import time
from dataclasses import fields

import pytest

from support.tree import ROOT
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.parser import (
    KEYS,
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_LINE,
    SitesFileWrong,
    parse_sites,
)
from vidferry_worker.sites.rules import SiteRule

SECRET = "hunter2"


def problem(entry: str, name: str = "example.com") -> str:
    """Why an entry can't be used."""
    parsed = parse_sites(f'["{name}"]\n{entry}'.encode())
    assert parsed.entries == {}
    (told,) = parsed.problems.values()
    return told


def test_every_key() -> None:
    text = """
        [default]
        sleep = 1
        ["example.com"]
        fragments = 16
        sleep = 0.25
        proxy = "socks5://us%2Fer:p%40ss@proxy.example"
        user_agent = "Mozilla/5.0 (X11)"
        ["Example.ORG"]
        proxy = "none"
    """
    assert parse_sites(text.encode()).entries == {
        "default": {"sleep": 1.0},
        "example.com": {
            "fragments": 16,
            "sleep": 0.25,
            "proxy": Proxy("socks5", "proxy.example", 1080, "us/er", "p@ss"),
            "user_agent": "Mozilla/5.0 (X11)",
        },
        "example.org": {"proxy": None},
    }
    assert parse_sites("﻿# nothing".encode()).entries == {}


def test_the_page_for_operators() -> None:
    """Its example can be used, and its table has each key that is honoured."""
    page = (ROOT / "docs/sites.md").read_text()
    section = page[page.index("## The sites file") : page.index("### When it changes")]
    example = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    parsed = parse_sites(example.encode())
    assert parsed.problems == {}
    assert parsed.entries.keys() == {"default", "example.com", "example.org"}
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == KEYS


def test_each_field_of_a_rule_has_a_key() -> None:
    values = {
        "downloads": "2", "starts_per_minute": "10", "fragments": "4", "sleep": "0", "proxy": '"none"',
        "user_agent": '"x"', "impersonate": '"chrome-131:windows-10"',
    }  # fmt: skip
    assert values.keys() == {field.name for field in fields(SiteRule)}
    text = "\n".join(f"{key} = {value}" for key, value in values.items())
    (entry,) = parse_sites(f"[default]\n{text}".encode()).entries.values()
    assert SiteRule(**entry).impersonate == "chrome-131:windows-10"


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("a.no-registry", "a.no-registry"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
    ],
)
def test_names_of_sites(name: str, site: str) -> None:
    assert list(parse_sites(f'["{name}"]\nsleep = 1'.encode()).entries) == [site]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("youtu.be", "name the site youtube.com"),
        ("m.youtube.com", "name the site youtube.com"),
        ("www.example.com", "name the site example.com"),
        ("a.example.co.uk", "name the site example.co.uk"),
        ("co.uk", "nobody's site"),
        ("example.com:8443", "leave out the port"),
        ("[2001:db8::1]:81", "leave out the port"),
        ("https://example.com", "registered domain"),
        ("*.example.com", "registered domain"),
        (f"user:{SECRET}@example.com", "registered domain"),
        ("", "registered domain"),
        ("a" * 64 + ".example", "registered domain"),
        ("1.2.3", "registered domain"),
    ],
)
def test_names_that_are_no_sites(name: str, told: str) -> None:
    assert told in problem("sleep = 1", name)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("fragments = 0", "fragments must be a whole number from 1 to 16"),
        ("fragments = 17", "from 1 to 16"),
        ("fragments = true", "whole number"),
        ("fragments = 2.0", "whole number"),
        ("sleep = -1", "sleep must be a number of seconds from 0 to 10"),
        ("sleep = 10.1", "from 0 to 10"),
        ("sleep = nan", "from 0 to 10"),
        ("sleep = inf", "from 0 to 10"),
        ("sleep = false", "from 0 to 10"),
        ('user_agent = ""', "1 to 500 ASCII characters"),
        ('user_agent = "a\\r\\nCookie: x"', "ASCII characters"),
        ('user_agent = "ü"', "ASCII characters"),
        (f'user_agent = "{"x" * 501}"', "1 to 500"),
        ("user_agent = 5", "must be text"),
        ("proxy = 5", 'must be a URL, or "none"'),
        ("nonsense = 1", "it may have these keys"),
        (f'"{SECRET}" = 1', "it may have these keys"),
        ("com = {sleep = 1}", "in quotes"),
    ],
)
def test_values_that_can_not_be_used(entry: str, told: str) -> None:
    found = problem(entry)
    assert told in found
    assert SECRET not in found


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128", "https://proxy", "http://", "http://proxy/path", "http://proxy?x", "http://proxy#x",
        f"http://proxy:{SECRET}", "http://proxy:99999", f"http://user:{SECRET}@[proxy", f"http://user:{SECRET}@",
        f"http://:{SECRET}@proxy", f"http://u%3Aser:{SECRET}@proxy", f"http://user:{SECRET * 50}@proxy",
        f"http://user:{SECRET}@pro xy", f"http://user:{SECRET}@pr\\noxy", f"http://user:{SECRET}@prо.xy／a",
    ],
)  # fmt: skip
def test_proxies_that_are_none(url: str) -> None:
    """No error repeats a part of the URL, not even what the standard library says of it."""
    found = problem(f'proxy = "{url}"')
    assert "must be http://host:port or socks5://host:port" in found
    assert SECRET not in found


def test_one_wrong_entry_harms_no_other() -> None:
    text = f"""
        "{SECRET} {SECRET}" = 1
        ["example.com"]
        sleep = 1
        ["example.net"]
        sleep = "{SECRET}"
        ["example.org"]
        sleep = 1
        ["EXAMPLE.org"]
        sleep = 2
        ["Example.org"]
        sleep = 3
    """
    parsed = parse_sites(text.encode())
    assert parsed.entries == {"example.com": {"sleep": 1.0}}
    assert parsed.problems.keys() == {"entry 1", "example.net", "example.org"}
    assert parsed.problems["example.org"] == "another entry is for the same site"
    assert SECRET not in str(parsed.problems)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"#" * (MAX_BYTES + 1), f"more than {MAX_BYTES} bytes"),
        (b"".join(b'["s%d.example"]\n' % number for number in range(MAX_ENTRIES + 1)), f"more than {MAX_ENTRIES}"),
        (b"\xff\xfe\0", "not UTF-8"),
        (b"\0" * 1000, "line 1: this is not valid TOML"),
        (b'[default]\nsleep = 1\nproxy = "' + SECRET.encode(), "not valid TOML"),
        (b'["example.com"]\n["example.com"]', "declares something twice"),
        (b"a = " + b"[\n" * 100_000, "the file: this is not valid TOML"),
        (b"\na = " + b"[" * MAX_LINE, f"line 2 has more than {MAX_LINE} characters"),
        (b".".join([b"a"] * 120_000) + b" = 1", f"line 1 has more than {MAX_LINE} characters"),
    ],
)
def test_files_that_can_not_be_used(content: bytes, told: str) -> None:
    with pytest.raises(SitesFileWrong, match=told) as failure:
        parse_sites(content)
    assert SECRET not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(
    "content",
    [
        b"\n".join(b"b%d" % number + b".a" * 990 + b" = 1" for number in range(130)),
        b"\n".join(b"[b%d" % number + b".a" * 990 + b"]" for number in range(130)),
        b"a = [" + b"[],\n" * 60_000 + b"]",
        b"a = '''" + b"x\n" * 125_000 + b"'''",
        b"\n".join(b"a.b%d.c = 1" % number for number in range(15_000)),
    ],
)
def test_deep_and_wide_files_take_no_time(content: bytes) -> None:
    """CPU time of this thread, since the machine may be busy."""
    begun = time.thread_time()
    assert len(content) <= MAX_BYTES
    assert parse_sites(content).entries == {}
    assert time.thread_time() - begun < 5
