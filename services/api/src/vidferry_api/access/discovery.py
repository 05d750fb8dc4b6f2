"""Fetches an issuer's keys: its configuration (OpenID Connect Discovery), and the JWK set (RFC 7517) that this names.

PyJWT's own client fetches the set again for each token with an unknown key id, and reads answers of any size.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from jwt import PyJWK, PyJWTError

from vidferry_common.settings import parse_http_url

TIMEOUT = 5.0
"""seconds that the issuer may be silent, and that an answer may take"""
MAX_ANSWER = 512 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
_PUBLIC = ("kty", "crv", "n", "e", "x", "y")


class IssuerUnavailable(Exception):
    """The issuer can't be reached, or its answer can't be used."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key of the issuer."""

    key_id: str | None
    algorithms: tuple[str, ...]
    """with which a token of this key may be signed"""
    public_key: Any


def fetch_keys(issuer: str) -> tuple[IssuerKey, ...]:
    """The keys that the issuer signs with. Blocks. Raises IssuerUnavailable."""
    configuration = _fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if configuration.get("issuer") != issuer:
        raise IssuerUnavailable("its configuration names another issuer than VIDFERRY_OIDC_ISSUER")
    location = configuration.get("jwks_uri")
    if not (isinstance(location, str) and _is_as_safe(location, issuer)):
        raise IssuerUnavailable("its configuration names no usable jwks_uri")
    return parse_key_set(_fetch_json(location))


def parse_key_set(document: Mapping[str, Any]) -> tuple[IssuerKey, ...]:
    """The keys that can check signatures. Others are left out, as RFC 7517 §5 asks."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise IssuerUnavailable(f"its JWK set is no list of at most {MAX_KEYS} keys")
    return tuple(key for each in listed if isinstance(each, dict) and (key := _parse_key(each)) is not None)


def _parse_key(jwk: Mapping[str, Any]) -> IssuerKey | None:
    algorithms = _algorithms_of(jwk)
    key_id = jwk.get("kid")
    if not algorithms or jwk.get("use", "sig") != "sig" or not (key_id is None or isinstance(key_id, str)):
        return None
    try:
        public_key = PyJWK({name: jwk[name] for name in _PUBLIC if name in jwk}, algorithms[0]).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if jwk.get("kty") == "RSA" and public_key.key_size < MIN_RSA_BITS:
        return None
    return IssuerKey(key_id, algorithms, public_key)


def _algorithms_of(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    fitting = _RSA if jwk.get("kty") == "RSA" else _BY_CURVE.get(str(jwk.get("crv")), ())
    return tuple(name for name in fitting if jwk.get("alg", name) == name)


def _is_as_safe(location: str, issuer: str) -> bool:
    try:
        scheme = parse_http_url(location).scheme
    except ValueError:
        return False
    return scheme == "https" or urlsplit(issuer).scheme == "http"


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, which could lead away from https."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = build_opener(_NoRedirects)


def _fetch_json(url: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT
    content = bytearray()
    try:
        with _opener.open(url, timeout=TIMEOUT) as answer:
            while piece := answer.read1(65536):
                content += piece
                if len(content) > MAX_ANSWER or time.monotonic() > deadline:
                    raise IssuerUnavailable(f"its answer is larger than {MAX_ANSWER} bytes, or takes too long")
        document = json.loads(content)
    except (OSError, HTTPException) as error:
        raise IssuerUnavailable(str(error)) from None
    except (ValueError, RecursionError):
        raise IssuerUnavailable("its answer is not JSON") from None
    if not isinstance(document, dict):
        raise IssuerUnavailable("its answer is no JSON object")
    return document
