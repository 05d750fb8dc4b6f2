"""What a keys file may declare, and that no error repeats what stands in it."""

import time
from datetime import UTC, datetime

import pytest

from vidferry_api.access.keys_file import MAX_CREDENTIALS, MAX_KEYS, KeysFileWrong, KeyTable, parse_keys
from vidferry_api.access.principal import OwnerLimits, Scope
from vidferry_common.webhooks.owner_webhooks import MAX_BYTES

DIGEST = "ab" * 32
KEY = f'[[keys]]\nname = "ci"\nowner = "team-a"\nsha256 = "{DIGEST}"\nscopes = ["jobs:read"]\n'
SECRET = "vf_this-is-a-key-in-the-wrong-place"


def _parse(text: str) -> KeyTable:
    return parse_keys(text.encode())


def test_a_key_with_all_that_it_may_have() -> None:
    table = _parse(
        f'{KEY}expires = 2027-01-31T01:00:00+01:00\n[keys.limits]\nrequests_per_minute = 60\nmax_quality = "720"\n'
    )
    key = table.keys[bytes.fromhex(DIGEST)]

    assert (key.principal.name, key.principal.owner) == ("ci", "team-a")
    assert key.principal.scopes == {Scope.JOBS_READ}
    assert not key.principal.all_owners
    assert key.expires == datetime(2027, 1, 31, tzinfo=UTC).timestamp()
    assert key.principal.limits == OwnerLimits(requests_per_minute=60, max_quality="720")


def test_an_administrator_sees_all_owners() -> None:
    [key] = _parse(KEY.replace("jobs:read", "admin")).keys.values()
    assert key.principal.all_owners


def test_the_tighter_limit_counts() -> None:
    table = _parse(
        f'{KEY}[keys.limits]\njobs_running = 9\nmax_duration = 60\nmax_quality = "1080"\n'
        '[owners.team-a.limits]\njobs_running = 4\nmax_bytes = 5\nmax_quality = "480"\n'
    )
    [key] = table.keys.values()

    assert key.principal.limits == OwnerLimits(jobs_running=4, max_duration=60, max_bytes=5, max_quality="480")
    assert table.limits_of("team-a") == OwnerLimits(jobs_running=4, max_bytes=5, max_quality="480")
    assert table.limits_of("team-b") == OwnerLimits()


def test_the_credentials_of_owners() -> None:
    table = _parse(f'{KEY}[owners.team-a]\ncredentials = ["alice", "b-2"]\n[owners.team-b.limits]\n')
    assert table.credentials["team-a"] == {"alice", "b-2"}
    assert not table.credentials["team-b"]
    for wrong in (
        '"alice"',
        '["Alice"]',
        "[1]",
        '["a_b"]',
        '[""]',
        f'["{SECRET}"]',
        f"{['a'] * (MAX_CREDENTIALS + 1)}",
    ):
        with pytest.raises(KeysFileWrong, match="line 6: credentials must be a list") as refused:
            _parse(f"{KEY}[owners.team-a]\ncredentials = {wrong}\n")
        assert SECRET not in str(refused.value)


def test_the_webhooks_of_owners() -> None:
    table = _parse(f'{KEY}[owners.team-a.webhook]\nsecrets = ["whsec_{"a" * 32}"]\n[owners.team-b.limits]\n')
    assert list(table.webhooks) == ["team-a"]
    with pytest.raises(KeysFileWrong, match="line 6: webhook: secrets must be whsec_") as wrong:
        _parse(f'{KEY}[owners.team-a.webhook]\nsecrets = ["{SECRET}"]\n')
    assert SECRET not in str(wrong.value)


def test_an_empty_file_has_no_keys() -> None:
    assert _parse("") == KeyTable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'# a key\n\n{KEY.replace("sha256", SECRET)}', "line 3 (key 1): there is an unknown field"),
        (f'{KEY}[[keys]]\nname = "{SECRET} "', "line 6 (key 2): name must be"),
        (KEY.replace('"ci"', f'"ci\\n{SECRET}"'), "line 1 (key 1): name must be"),
        (KEY.replace("team-a", ""), "line 1 (key 1): owner must be"),
        (KEY.replace('owner = "team-a"', "owner = 7"), "line 1 (key 1): owner must be"),
        (KEY.replace(DIGEST, SECRET), "line 1 (key 1): sha256 must be"),
        (KEY.replace(DIGEST, DIGEST[:-1]), "line 1 (key 1): sha256 must be"),
        (KEY.replace("jobs:read", SECRET), "line 1 (key 1): scopes must be"),
        (KEY.replace('["jobs:read"]', "[]"), "line 1 (key 1): scopes must be"),
        (KEY.replace('["jobs:read"]', '"jobs:read"'), "line 1 (key 1): scopes must be"),
        (f"{KEY}expires = 2027-01-31\n", "line 1 (key 1): expires must be"),
        (f"{KEY}expires = 2027-01-31T00:00:00\n", "line 1 (key 1): expires must be"),
        (f'{KEY}expires = "{SECRET}"\n', "line 1 (key 1): expires must be"),
        (f"{KEY}[keys.limits]\njobs = 1\n", "line 1 (key 1), in limits: there is an unknown field"),
        (f"{KEY}[keys.limits]\njobs_running = -1\n", "line 1 (key 1): jobs_running must be"),
        (f"{KEY}[keys.limits]\njobs_running = true\n", "line 1 (key 1): jobs_running must be"),
        (f"{KEY}[keys.limits]\njobs_running = {2**60}\n", "line 1 (key 1): jobs_running must be"),
        (f'{KEY}[keys.limits]\nmax_quality = "{SECRET}"\n', "line 1 (key 1): max_quality must be"),
        (KEY + KEY.replace("ci", "other"), "line 6 (key 2): another key has the same"),
        (KEY + KEY.replace(DIGEST, "cd" * 32), "line 6 (key 2): another key has the same"),
        (f"{KEY}[owners.team-a]\nlimit = 1\n", "line 6: there is an unknown field"),
        (f'{KEY}[owners."{SECRET} "]\n', "the owner's name must be"),
        (f"{KEY}name = 1\n", "line 6: this is not valid TOML"),
        (f"{KEY}{SECRET}\n", "line 6: this is not valid TOML"),
        (f"[{SECRET}]\n", "the file: there is an unknown field"),
        (f'keys = ["{SECRET}"]', "key 1: this must be a table"),
        (f'keys = "{SECRET}"', "each key must be a table"),
        ("owners = 1", "owners must be tables"),
        ("keys = " + "[" * 5000, "this is not valid TOML"),
        ("n = " + "9" * 5000, "this is not valid TOML"),
        ("keys = [" + "{}," * (MAX_KEYS + 1) + "]", f"more than {MAX_KEYS} keys"),
        ("#" * (MAX_BYTES + 1), f"more than {MAX_BYTES} bytes"),
    ],
    ids=map(str, range(32)),
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_line_alone(text: str, line: str) -> None:
    with pytest.raises(KeysFileWrong) as raised:
        _parse(text)

    assert line in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None, "a traceback would show the file"


def test_it_must_be_text() -> None:
    with pytest.raises(KeysFileWrong, match="line 3: the file must be UTF-8"):
        parse_keys(b"# a\n# b\n# \xff\n")


def test_a_full_file_is_read_in_seconds() -> None:
    text = "".join(f'[[keys]]\nname="{n}"\nowner="o"\nsha256="{n:064x}"\nscopes=["admin"]\n' for n in range(8000))
    begun = time.process_time()

    assert len(_parse(text).keys) == 8000
    assert time.process_time() - begun < 10
