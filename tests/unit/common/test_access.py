"""The settings of access: which keys sign tickets, and what is refused at the start."""

import pytest

from vidferry_common.access import AccessMode, AccessSettings
from vidferry_common.contract.tickets import Purpose, TicketSigner
from vidferry_common.settings import load_settings

OLD, NEW = "o" * 32, "n" * 32
JOB = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS", "TICKET_KEYS", "TICKET_HOURS"):
        monkeypatch.delenv(f"VIDFERRY_{name}", raising=False)


def settings(**values: str) -> AccessSettings:
    return AccessSettings.model_validate(values)


def signer_of(mode: str, keys: str) -> TicketSigner:
    found = settings(access=mode, ticket_keys=keys).tickets
    assert found
    return found


def test_open_access_has_no_tickets_also_where_there_are_keys() -> None:
    assert settings().access is AccessMode.NONE
    assert settings().tickets is None
    assert settings(ticket_keys=OLD).tickets is None


@pytest.mark.parametrize("mode", ["keys", "oidc"])
def test_tickets_are_made_with_the_first_key_and_accepted_by_each(mode: str) -> None:
    both, old, new = (signer_of(mode, keys) for keys in (f" {NEW} , {OLD},", OLD, NEW))
    assert both.make_job_ticket(Purpose.READ, JOB, NOW) == new.make_job_ticket(Purpose.READ, JOB, NOW)
    both.check_job_ticket(old.make_job_ticket(Purpose.READ, JOB, NOW), Purpose.READ, JOB, NOW)


def test_the_lifetime_is_in_hours() -> None:
    short = settings(access="keys", ticket_keys=OLD, ticket_hours="0.5").tickets
    assert short
    assert 1800 <= short.expiry(NOW) - NOW <= 1800 + 225


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"access": "keys"}, "VIDFERRY_TICKET_KEYS is required where VIDFERRY_ACCESS is not `none`."),
        ({"access": "keys", "ticket_keys": " , "}, "VIDFERRY_TICKET_KEYS is required"),
        ({"access": "keys", "ticket_keys": f"{NEW},short-secret"}, "must have at least 32 characters."),
        ({"access": "none", "ticket_keys": "short-secret"}, "must have at least 32 characters."),
        ({"access": "open"}, "VIDFERRY_ACCESS: must be one of 'none', 'keys' or 'oidc'."),
        ({"ticket_hours": "0"}, "VIDFERRY_TICKET_HOURS: must be a number above 0"),
    ],
)
def test_a_wrong_setting_is_told_without_the_secret(
    values: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"VIDFERRY_{name.upper()}", value)
    with pytest.raises(SystemExit):
        load_settings(AccessSettings)
    told = capsys.readouterr().err
    assert sentence in told
    assert "short-secret" not in told
    assert NEW not in told


def test_the_keys_are_not_shown() -> None:
    assert NEW not in repr(settings(access="keys", ticket_keys=NEW))
