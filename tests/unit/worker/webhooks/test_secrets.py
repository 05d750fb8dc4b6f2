from pathlib import Path

import pytest
from pydantic import SecretStr

from support.receiver import OTHER_SECRET, SECRET
from vidferry_worker.webhooks.secrets import SigningSecrets

FILE = '[owners.team-a.webhook]\nsecrets = ["{}"]\n'


def shown(secrets: tuple[SecretStr, ...]) -> list[str]:
    return [each.get_secret_value() for each in secrets]


def test_each_owner_has_its_own_and_jobs_without_an_owner_those_of_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(FILE.format(SECRET))
    secrets = SigningSecrets(path, (SecretStr(OTHER_SECRET),))
    assert shown(secrets.find("team-a")) == [SECRET]
    assert shown(secrets.find("team-b")) == []
    assert shown(secrets.find("")) == [OTHER_SECRET]


def test_a_changed_file_counts_and_a_wrong_one_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys.toml"
    secrets = SigningSecrets(path, ())
    assert secrets.find("team-a") == ()
    for text, wanted in ((FILE.format(SECRET), SECRET), (FILE.format("whsec_short"), SECRET), ("[[[", SECRET),
                         (FILE.format(OTHER_SECRET), OTHER_SECRET)):  # fmt: skip
        path.write_text(text)
        secrets.refresh()
        assert shown(secrets.find("team-a")) == [wanted]
    errors = [str(vars(record)["error"]) for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 3
    assert "short" not in caplog.text


def test_a_missing_secret_is_told_once_an_owner(caplog: pytest.LogCaptureFixture) -> None:
    secrets = SigningSecrets(None, ())
    for owner in ("", "team-a", "", "team-a"):
        assert secrets.find(owner) == ()
    assert [vars(record)["setting"] for record in caplog.records] == [
        "VIDFERRY_WEBHOOK_SECRETS",
        "VIDFERRY_ACCESS_KEYS_FILE",
    ]
