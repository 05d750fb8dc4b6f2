"""What the pages name is there: settings, make targets, tests, files, headings."""

import re
from functools import cache
from pathlib import Path

import pytest

from support.tree import ROOT

PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "tests/*.md", "deploy/helm/vidferry/*.md")
    for page in ROOT.glob(pattern)
)
CODE = ("libs", "services", "deploy", "tests", "Makefile")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SETTING = re.compile(r"\bVIDFERRY_[A-Z0-9_]+\b(?!\*)")
TARGET = re.compile(r"\bmake ([a-z]+(?:-[a-z]+)*)(?=[ `,)]|$)", re.MULTILINE)
COMMAND = re.compile(r"`[^`\n]+`|^    .+$", re.MULTILINE)


@cache
def text(page: Path) -> str:
    return (ROOT / page).read_text()


@cache
def names_in_code() -> frozenset[str]:
    """Settings as the code spells them, and the fields that pydantic makes settings of."""
    files = [
        file for place in CODE for file in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*"))
    ]
    read = [
        file.read_text(errors="replace")
        for file in files
        if file.suffix in {"", ".py", ".tpl", ".yaml"} and file.is_file()
    ]
    return frozenset(name for content in read for name in SETTING.findall(content)) | frozenset(
        re.findall(r"^\| `(VIDFERRY_[A-Z0-9_]+)`", text(Path("docs/settings.md")), re.MULTILINE)
    )


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", text(page))):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        number = 1
        while (slug if number == 1 else f"{slug}-{number - 1}") in found:
            number += 1
        found.add(slug if number == 1 else f"{slug}-{number - 1}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_it_names_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text(Path("Makefile")), re.MULTILINE))
    named = {name for command in COMMAND.findall(text(page)) for name in TARGET.findall(command)}
    tests = set(re.findall(r"\btests/[\w/]+\.py", text(page)))
    missing = {
        "links": dead_links(page),
        "settings": set(SETTING.findall(text(page))) - names_in_code(),
        "make targets": named - targets,
        "tests": {path for path in tests if not (ROOT / path).exists()},
    }
    assert {kind: names for kind, names in missing.items() if names} == {}


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in LINK.findall(FENCED.sub("", text(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page.parent / path).resolve().relative_to(ROOT) if path else page
        if not (ROOT / target).exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead
