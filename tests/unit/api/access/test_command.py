"""`python -m vidferry_api.access new`: the key that it prints is the one that its entry declares."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from vidferry_api.access.command import main
from vidferry_api.access.key_store import KEY, key_digest
from vidferry_api.access.keys_file import parse_keys


def _new(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    main(["new", "--name", "ci", "--owner", "team-a", *arguments])
    lines = capsys.readouterr().out.splitlines()
    [key] = [line for line in lines if KEY.fullmatch(line)]
    return key, "\n".join(lines[lines.index("[[keys]]") :])


def test_the_program() -> None:
    command = [sys.executable, "-m", "vidferry_api.access", "new", "--name", "ci", "--owner", "a"]
    first, second = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    assert first != second


def test_the_entry_is_of_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    key, entry = _new(capsys)
    [declared] = parse_keys(entry.encode()).keys.values()

    assert declared.digest == key_digest(key)
    assert (declared.principal.name, declared.principal.owner) == ("ci", "team-a")
    assert declared.principal.scopes == {"jobs:write", "jobs:read", "objects:read"}
    assert key not in entry


def test_scopes_and_expiry(capsys: pytest.CaptureFixture[str]) -> None:
    for expires in ("2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T01:00:00+01:00"):
        _, entry = _new(capsys, "--scope", "admin", "--scope", "jobs:read", "--expires", expires)
        [declared] = parse_keys(entry.encode()).keys.values()
        assert declared.principal.all_owners
        assert declared.expires == datetime(2027, 1, 31, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "wrong", [["--name", 'a"\nb'], ["--owner", ""], ["--scope", "jobs"], ["--expires", "tomorrow"]], ids=str
)
def test_what_the_file_would_refuse_is_refused(capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        _new(capsys, *wrong)
