"""Settings of access that contradict each other, or would let in more than meant, end the program."""

import pytest

from support.services import variables
from vidferry_api.access_settings import ApiAccessSettings
from vidferry_common.contract.scopes import Scope
from vidferry_common.settings import load_settings

KEYS = {"access": "keys", "ticket_keys": "t" * 32, "access_keys_file": "/keys.toml"}
OIDC = {"access": "oidc", "ticket_keys": "t" * 32, "oidc_issuer": "https://a.example/", "oidc_audience": "vidferry"}


def _load(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> ApiAccessSettings:
    for name, value in variables(settings).items():
        monkeypatch.setenv(name, value)
    return load_settings(ApiAccessSettings)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({**KEYS, "access_keys_file": ""}, "VIDFERRY_ACCESS_KEYS_FILE is required"),
        ({**KEYS, "ticket_keys": ""}, "VIDFERRY_TICKET_KEYS is required"),
        ({**KEYS, "access": "none"}, "VIDFERRY_ACCESS_USER_HEADER need VIDFERRY_ACCESS"),
        ({"access_user_header": "X-User"}, "need VIDFERRY_ACCESS"),
        ({**KEYS, "oidc_issuer": "https://a.example", "oidc_audience": "a"}, "needs VIDFERRY_ACCESS `oidc`"),
        ({**OIDC, "oidc_issuer": ""}, "VIDFERRY_OIDC_ISSUER is required"),
        ({**OIDC, "oidc_audience": ""}, "VIDFERRY_OIDC_AUDIENCE is required"),
        ({**OIDC, "oidc_issuer": "a.example"}, "VIDFERRY_OIDC_ISSUER: must be an absolute"),
        ({**OIDC, "oidc_issuer": "https://a:b@a.example"}, "VIDFERRY_OIDC_ISSUER: must not contain"),
        ({**OIDC, "oidc_issuer": "https://a.example?x=1"}, "VIDFERRY_OIDC_ISSUER: must not contain a query"),
        ({**OIDC, "oidc_algorithms": "RS256,HS256"}, "VIDFERRY_OIDC_ALGORITHMS: must name algorithms"),
        ({**OIDC, "oidc_algorithms": "none"}, "VIDFERRY_OIDC_ALGORITHMS: must name algorithms"),
        ({**OIDC, "oidc_algorithms": ","}, "VIDFERRY_OIDC_ALGORITHMS: must name algorithms"),
        ({**OIDC, "oidc_default_scopes": "jobs"}, "VIDFERRY_OIDC_DEFAULT_SCOPES: must name scopes"),
        ({**KEYS, "access_user_header": "X User"}, "VIDFERRY_ACCESS_USER_HEADER: must be the name"),
        ({**KEYS, "access_user_header": "Authorization"}, "VIDFERRY_ACCESS_USER_HEADER: must be the name"),
        ({**KEYS, "access_user_scopes": "all"}, "VIDFERRY_ACCESS_USER_SCOPES: must name scopes"),
        ({"access": "open"}, "VIDFERRY_ACCESS: must be one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SystemExit):
        _load(monkeypatch, settings)
    assert sentence in capsys.readouterr().err


def test_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, {**OIDC, "oidc_default_scopes": "jobs:read, jobs:write"})

    assert settings.oidc_issuer == "https://a.example/", "as the tokens spell it"
    assert settings.oidc_algorithms == ("RS256", "ES256")
    assert settings.oidc_default_scopes == (Scope.JOBS_READ, Scope.JOBS_WRITE)


def test_users_of_a_proxy_need_no_keys_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**KEYS, "access_keys_file": "", "access_user_header": "X-Auth-Request-User"}
    assert Scope.ADMIN not in _load(monkeypatch, settings).access_user_scopes
