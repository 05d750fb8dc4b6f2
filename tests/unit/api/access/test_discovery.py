"""What an issuer may answer, and what is made of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from support.oidc_issuer import OidcIssuer
from vidferry_api.access.discovery import IssuerUnavailable, _algorithms_of, fetch_keys, parse_key_set
from vidferry_api.access_settings import ALGORITHMS


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


def test_the_keys_that_sign(issuer: OidcIssuer) -> None:
    by_id = {key.key_id: key.algorithms for key in fetch_keys(issuer.url)}
    assert by_id[issuer.key_id("ES256")] == ("ES256",)
    assert "RS256" in by_id[issuer.key_id("RS256")]


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://another.example"}, {"issuer": None}, {"jwks_uri": None}, {"jwks_uri": 7},
        {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": "ftp://127.0.0.1/"}, {"jwks_uri": "//x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_leads_elsewhere(issuer: OidcIssuer, configuration: dict[str, Any]) -> None:
    issuer.configuration = configuration
    with pytest.raises(IssuerUnavailable, match="its configuration"):
        fetch_keys(issuer.url)


def test_an_issuer_that_is_away(issuer: OidcIssuer) -> None:
    issuer.is_down = True
    with pytest.raises(IssuerUnavailable, match="503"):
        fetch_keys(issuer.url)
    with pytest.raises(IssuerUnavailable):
        fetch_keys("http://127.0.0.1:1")


def test_keys_that_can_not_check_are_left_out(issuer: OidcIssuer) -> None:
    good = issuer.answer("/keys")["keys"][0]
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    others: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}, {**good, "use": "enc"},
        {**good, "alg": "RSA-OAEP"},
        {**good, "n": "!"}, {**good, "kid": 7}, {"kty": "EC", "crv": "secp256k1", "x": "a", "y": "b"}, {}, 7,
        RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True), {"kty": "RSA"}, {**good, "alg": "HS256"},
    ]  # fmt: skip
    assert [key.key_id for key in parse_key_set({"keys": [*others, good]})] == [good["kid"]]
    wrongs: tuple[dict[str, Any], ...] = ({}, {"keys": {}}, {"keys": [good] * 101})
    for wrong in wrongs:
        with pytest.raises(IssuerUnavailable):
            parse_key_set(wrong)


def test_private_parts_are_not_kept(issuer: OidcIssuer) -> None:
    private = RSAAlgorithm.to_jwk(issuer.rsa, as_dict=True)
    [key] = parse_key_set({"keys": [private]})
    assert isinstance(key.public_key, rsa.RSAPublicKey)


def test_every_algorithm_that_can_be_set_has_keys() -> None:
    kinds = [{"kty": "RSA"}, *({"kty": "EC", "crv": curve} for curve in ("P-256", "P-384", "P-521", "Ed25519"))]
    assert {name for kind in kinds for name in _algorithms_of(kind)} == set(ALGORITHMS)
