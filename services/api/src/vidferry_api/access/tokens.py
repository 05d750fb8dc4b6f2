"""Checks tokens of the OpenID Connect issuer: JWTs (RFC 7519), by the rules of RFC 8725."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from vidferry_api.access.discovery import IssuerUnavailable
from vidferry_api.access.issuer_keys import IssuerKeys
from vidferry_api.access.principal import OwnerLimits, Principal, principal_of
from vidferry_api.access.refused import AccessRefused
from vidferry_api.access_settings import OidcSettings
from vidferry_common.contract.scopes import OWNER, Scope, known_scopes
from vidferry_common.metrics.catalogue import AccessRefusal

logger = logging.getLogger(__name__)

LEEWAY = 60
"""seconds by which the issuer's clock may differ"""
MAX_REMEMBERED = 4096
"""tokens"""
_OPTIONS: Any = {"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True}
_WRONG = (jwt.PyJWTError, ValueError, TypeError, OverflowError)
"""what PyJWT raises for tokens that anybody may have made up, and for claims of an odd type"""


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token says that was verified."""

    owner: str
    scopes: frozenset[Scope]
    expires: float
    """seconds since 1970, with the leeway"""
    version: int
    """of the issuer's keys then"""


class TokenVerifier:
    """Finds out who a token was issued to.

    Tokens that were verified are remembered, since PyJWT takes half a millisecond for each: by their SHA-256, until
    they expire or the issuer's keys are fetched anew. Time makes a valid token invalid by its expiry alone.
    """

    def __init__(self, settings: OidcSettings, limits_of: Callable[[str], OwnerLimits]) -> None:
        """settings: with an issuer. limits_of: of an owner."""
        self._settings, self._limits_of = settings, limits_of
        self.keys = IssuerKeys(settings.oidc_issuer)
        self._verified: dict[bytes, _Verified] = {}

    async def verify(self, token: str) -> Principal:
        """The principal of a token. Raises AccessRefused."""
        digest = hashlib.sha256(token.encode()).digest()
        found = self._verified.get(digest)
        if found is None or time.time() >= found.expires or not self.keys.are_still(found.version):
            self._verified.pop(digest, None)
            found = await self._verify_anew(token)
            if len(self._verified) >= MAX_REMEMBERED:
                del self._verified[next(iter(self._verified))]  # the one that was verified first
            self._verified[digest] = found
        return principal_of(found.owner, f"oidc:{found.owner}", found.scopes, self._limits_of(found.owner))

    async def _verify_anew(self, token: str) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
        except _WRONG:
            raise AccessRefused(AccessRefusal.INVALID_TOKEN) from None
        # Nothing else in the header is heeded: a key in it, or where to find one (jwk, jku, x5u), is the sender's own.
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._settings.oidc_algorithms:
            raise AccessRefused(AccessRefusal.INVALID_TOKEN)
        try:
            key = await self.keys.find(key_id, algorithm)
        except IssuerUnavailable:
            raise AccessRefused(AccessRefusal.ISSUER_UNAVAILABLE) from None
        if key is None:
            raise AccessRefused(AccessRefusal.INVALID_TOKEN)
        version = self.keys.version
        claims = self._decode(token, algorithm, key.public_key)
        return _Verified(self._owner(claims), self._scopes(claims), int(claims["exp"]) + LEEWAY, version)

    def _decode(self, token: str, algorithm: str, public_key: Any) -> Mapping[str, Any]:
        settings = self._settings
        try:
            return jwt.decode(
                token,
                public_key,
                algorithms=[algorithm],
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=LEEWAY,
                options=_OPTIONS,
            )
        except jwt.ExpiredSignatureError:
            raise AccessRefused(AccessRefusal.EXPIRED) from None
        except _WRONG:
            raise AccessRefused(AccessRefusal.INVALID_TOKEN) from None

    def _owner(self, claims: Mapping[str, Any]) -> str:
        settings = self._settings
        owner = claims.get(settings.oidc_owner_claim)
        if not (isinstance(owner, str) and OWNER.fullmatch(owner)) or _is_unverified_email(claims, settings):
            logger.warning(
                "a valid token names no owner: the claim must be 1 to 64 letters, digits, dots, hyphens, underscores "
                "or @, and an e-mail address must be verified",
                extra={"claim": settings.oidc_owner_claim},
            )
            raise AccessRefused(AccessRefusal.INVALID_OWNER)
        return owner

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        named = claims.get(self._settings.oidc_scopes_claim)
        words = named.split() if isinstance(named, str) else named if isinstance(named, list) else []
        scopes = known_scopes(word for word in words if isinstance(word, str))
        return scopes or frozenset(self._settings.oidc_default_scopes)


def _is_unverified_email(claims: Mapping[str, Any], settings: OidcSettings) -> bool:
    """Whether the owner is an address that the issuer doesn't vouch for: anybody could enter another's.

    An issuer that says nothing does not vouch: some put into tokens whatever a user or another tenant has entered.
    """
    return settings.oidc_owner_claim == "email" and claims.get("email_verified") is not True
