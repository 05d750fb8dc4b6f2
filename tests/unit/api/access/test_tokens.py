"""Tokens of the issuer, and all that could be taken for one."""

import hashlib
import hmac
import json
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from support.access import KeysFile, bearer
from support.answers import post, problem
from support.oidc_issuer import KEYS, OidcIssuer
from unit.api.conftest import OpenApp
from vidferry_api.access import issuer_keys, tokens
from vidferry_api.access.tokens import LEEWAY

UNKNOWN_JOB = "/api/jobs/00000000-0000-4000-8000-000000000000"


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


@pytest.fixture
def client(issuer: OidcIssuer, open_app: OpenApp) -> TestClient:
    return open_app(**issuer.settings())


def _accepts(client: TestClient, token: str) -> bool:
    answer = client.get(UNKNOWN_JOB, headers=bearer(token))
    if answer.status_code == 404:
        return True
    problem(answer, 401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    return False


def _encode(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _public_pem(issuer: OidcIssuer) -> bytes:
    return issuer.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_is_its_owners(issuer: OidcIssuer, client: TestClient, algorithm: str) -> None:
    alice, bob = issuer.token(algorithm), issuer.token(algorithm, sub="bob")
    job = post(client, headers=bearer(alice))["status_url"]

    assert client.get(job, headers=bearer(alice)).status_code == 200
    problem(client.get(job, headers=bearer(bob)), 404, "job_not_found")
    assert _accepts(client, issuer.token(algorithm, aud=["another", "vidferry"]))
    assert len(issuer.asked) == 2, "one configuration and one set of keys, whatever the number of requests"


def test_a_key_works_beside_tokens(issuer: OidcIssuer, open_app: OpenApp, tmp_path: Path) -> None:
    file = KeysFile(tmp_path / "keys.toml")
    key = file.add("ci", "alice")
    client = open_app(**{**file.settings(), **issuer.settings()})
    job = post(client, headers=bearer(key))["status_url"]

    assert client.get(job, headers=bearer(issuer.token())).status_code == 200, "of the same owner"
    assert client.get("/api/access").json() == {"mode": "oidc", "issuer": issuer.url}


def test_claims_that_do_not_hold(issuer: OidcIssuer, client: TestClient) -> None:
    now = int(time.time())
    refused: tuple[dict[str, Any], ...] = (
        {"iss": "https://another.example"}, {"iss": f"{issuer.url}/"}, {"iss": None}, {"aud": "another"}, {"aud": None},
        {"aud": []}, {"exp": now - LEEWAY - 1}, {"exp": None}, {"exp": "soon"}, {"nbf": now + LEEWAY + 30},
        {"iat": now + LEEWAY + 30}, {"sub": None}, {"sub": ""}, {"sub": "a b"}, {"sub": "é"}, {"sub": "a" * 65},
        {"sub": "alice\n"}, {"sub": 7}, {"sub": ["alice"]},
    )  # fmt: skip
    for wrong in refused:
        assert not _accepts(client, issuer.token(**wrong)), wrong
    for right in ({"exp": now - LEEWAY + 30}, {"nbf": now + LEEWAY - 30}, {"iat": now + LEEWAY - 30}, {"iat": None}):
        assert _accepts(client, issuer.token(**right)), right


def test_signatures_that_anybody_could_make(issuer: OidcIssuer, client: TestClient) -> None:
    header, claims = {"typ": "JWT", "kid": issuer.key_id("RS256")}, issuer.claims()
    good = issuer.token()
    head, body, signature = good.split(".")
    forged = []
    for none in ("none", "None", "NONE", ""):
        forged += [f"{_encode({**header, 'alg': none})}.{_encode(claims)}.{end}" for end in ("", signature)]
    for public in (_public_pem(issuer), _public_pem(issuer).strip(), issuer.key_id("RS256").encode(), b""):
        unsigned = f"{_encode({**header, 'alg': 'HS256'})}.{_encode(claims)}"
        mac = hmac.digest(public, unsigned.encode(), hashlib.sha256)
        forged.append(f"{unsigned}.{_encode(mac)}")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own_key = {**jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True), "kid": header["kid"]}
    for more in (
        {}, {"jwk": own_key}, {"jku": f"{issuer.url}{KEYS}"}, {"x5u": issuer.url}, {"x5c": ["x"]}, {"kid": "stranger"},
        {"kid": "../../../dev/null"}, {"kid": "' OR 1=1"},
    ):  # fmt: skip
        forged.append(jwt.encode(claims, stranger, "RS256", headers={**header, **more}))
    endless = b'{"alg":' + b"9" * 5000 + b"}"
    forged += [
        f"{head}.{_encode(issuer.claims(sub='admin'))}.{signature}", f"{head}.{body}.", f"{head}.{body}", good[:-4],
        f"{head}.{body}.{'A' * len(signature)}", f"{good}.{good}", f"{good}A",
        # The right signature under the name of another algorithm or key.
        f"{_encode({**header, 'alg': 'PS256'})}.{body}.{signature}",
        issuer.token("RS256", header={"kid": issuer.key_id("ES256")}),
        issuer.token("ES256", header={"kid": issuer.key_id("RS256")}),
        # The right key, by an algorithm that is not among those of the settings.
        issuer.token("PS256", header={"kid": issuer.key_id("RS256")}),
        issuer.token("RS512", header={"kid": issuer.key_id("RS256")}),
        # Nested too deeply, no object, numbers without end, unknown rules.
        f"{_encode(b'[' * 5000)}.{body}.{signature}", f"{_encode([])}.{body}.{signature}",
        f"{_encode({**header, 'alg': ['RS256']})}.{body}.{signature}", f"{_encode({'alg': 'RS256', 'kid': 7})}.{body}.",
        f"{_encode(endless)}.{body}.{signature}", "..", "a.b.c",
        issuer.token(header={"crit": ["made-up"], "made-up": 1}),
    ]  # fmt: skip

    assert _accepts(client, good)
    for token in forged:
        assert not _accepts(client, token), token
    # Nothing was fetched but what the settings name.
    assert set(issuer.asked) == {"/.well-known/openid-configuration", KEYS}


def test_scopes_are_those_that_the_token_names(issuer: OidcIssuer, open_app: OpenApp) -> None:
    client = open_app(**issuer.settings())
    for named in ("jobs:read", "openid jobs:read", ["profile", "jobs:read", 7]):
        assert _accepts(client, issuer.token(scope=named)), named
    for claim in (
        "jobs:write",
        "openid",
        "JOBS:READ",
        "xjobs:read",
        "jobs:read,jobs:write",
        "",
        None,
        {"jobs:read": 1},
    ):
        answer = client.get(UNKNOWN_JOB, headers=bearer(issuer.token(scope=claim)))
        problem(answer, 403, "forbidden")


def test_scopes_and_owner_from_other_claims(issuer: OidcIssuer, open_app: OpenApp) -> None:
    client = open_app(
        oidc_owner_claim="email", oidc_scopes_claim="roles", oidc_default_scopes="jobs:write", **issuer.settings()
    )
    email: dict[str, Any] = {"email": "alice@example.org", "email_verified": True}
    assert _accepts(client, issuer.token(**email, roles=["jobs:read"]))
    assert not _accepts(client, issuer.token(**{**email, "email_verified": False}, roles=["jobs:read"]))
    assert not _accepts(client, issuer.token(email="alice@example.org", roles=["jobs:read"])), "nobody vouches for it"
    assert not _accepts(client, issuer.token(roles=["jobs:read"]))
    post(client, headers=bearer(issuer.token(**email)))
    problem(client.get(UNKNOWN_JOB, headers=bearer(issuer.token(**email))), 403, "forbidden")


def test_a_token_without_an_owner_is_told_to_the_operator(
    issuer: OidcIssuer, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not _accepts(client, issuer.token(sub="auth0|1"))
    [entry] = [record for record in caplog.records if record.name.endswith("tokens")]
    assert entry.__dict__["claim"] == "sub"
    assert "auth0" not in entry.getMessage()


def test_a_token_that_was_accepted_ends_with_its_time_and_its_key(
    issuer: OidcIssuer, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens are remembered, so this is not what a first request shows."""
    ending, lasting = issuer.token(exp=int(time.time()) + 100), issuer.token()
    assert _accepts(client, ending)
    assert _accepts(client, lasting)
    assert not _accepts(client, lasting[:-5] + lasting[-5:].swapcase())
    later = time.time() + 100 + LEEWAY
    with monkeypatch.context() as clock:
        clock.setattr("vidferry_api.access.tokens.time.time", lambda: later)
        clock.setattr("jwt.api_jwt.datetime", _Clock(later))
        assert not _accepts(client, ending)
        assert _accepts(client, lasting)

    issuer.rotate()
    monkeypatch.setattr(issuer_keys, "FETCH_INTERVAL", 0.0)
    assert _accepts(client, issuer.token())
    assert not _accepts(client, lasting), "of a key that the issuer has withdrawn"


class _Clock:
    """PyJWT's clock."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self, tz: timezone) -> datetime:
        return datetime.fromtimestamp(self._now, tz)


def test_the_number_of_remembered_tokens_is_bounded(
    issuer: OidcIssuer, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 3)
    verifier = client.app.state.services.authenticator._tokens  # type: ignore[attr-defined]
    for number in range(6):
        assert _accepts(client, issuer.token(jti=str(number)))
        assert not _accepts(client, f"{issuer.token(jti=str(number))}x")
    assert len(verifier._verified) == 3


def test_limits_of_the_keys_file_hold_for_tokens(issuer: OidcIssuer, open_app: OpenApp, tmp_path: Path) -> None:
    """The file is the one place where limits are declared."""
    file = KeysFile(tmp_path / "keys.toml", "[owners.alice.limits]\njobs_running = 2\n")
    client = open_app(**{**file.settings(), **issuer.settings()})
    authenticator = client.app.state.services.authenticator  # type: ignore[attr-defined]
    assert _accepts(client, issuer.token())
    assert authenticator._limits_of("alice").jobs_running == 2


def test_without_the_issuer_a_token_is_answered_for_now(issuer: OidcIssuer, client: TestClient) -> None:
    token = issuer.token()
    assert _accepts(client, token)
    issuer.is_down = True
    assert _accepts(client, token), "the keys are there"


def test_an_issuer_that_was_never_reached(issuer: OidcIssuer, open_app: OpenApp) -> None:
    issuer.is_down = True
    client = open_app(**issuer.settings())
    problem(client.get(UNKNOWN_JOB, headers=bearer(issuer.token())), 503, "issuer_unavailable")
    problem(client.get(UNKNOWN_JOB), 401, "unauthenticated")
