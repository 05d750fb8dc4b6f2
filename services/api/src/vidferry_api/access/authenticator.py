"""Finds out who a request comes from: an API key, a token of the issuer, or a user whom a trusted proxy names."""

import asyncio
import re
import time

from starlette.requests import Request

from vidferry_api.access.key_store import PREFIX, KeyStore
from vidferry_api.access.keys_file import KeyTable
from vidferry_api.access.principal import ANYBODY, OwnerLimits, Principal, principal_of
from vidferry_api.access.refused import AccessRefused
from vidferry_api.access.tokens import TokenVerifier
from vidferry_api.metrics import ApiMetrics
from vidferry_api.settings import ApiSettings
from vidferry_common.access import AccessMode
from vidferry_common.contract.scopes import OWNER
from vidferry_common.log import add_log_fields
from vidferry_common.metrics.catalogue import AccessRefusal
from vidferry_common.webhooks.owner_webhooks import OwnerWebhook

MAX_CREDENTIALS = 8192
"""bytes of an Authorization header; tokens that list a user's groups are long"""
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_OWN_PAGES = frozenset({"same-origin", "none"})


class Authenticator:
    """Identifies the principal of each request."""

    def __init__(self, settings: ApiSettings, metrics: ApiMetrics) -> None:
        """Reads the keys file. Raises KeysFileWrong."""
        self._settings, self._metrics = settings, metrics
        self._open = settings.access is AccessMode.NONE
        self._keys = KeyStore(settings.access_keys_file) if settings.access_keys_file else None
        self._tokens = TokenVerifier(settings, self._limits_of) if settings.oidc_issuer else None
        self._user_header = settings.access_user_header.lower().encode()
        self._user_scopes = frozenset(settings.access_user_scopes)
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch the keys file, and fetches the issuer's keys before they are asked for."""
        if self._keys is not None:
            self._watching = asyncio.create_task(self._keys.watch())
        if self._tokens is not None:
            self._tokens.keys.fetch_soon()

    def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._tokens is not None:
            self._tokens.keys.close()

    async def identify(self, request: Request) -> Principal:
        """The request's principal. Raises Problem if it has no valid key or token."""
        if self._open:
            return ANYBODY
        try:
            principal = await self._find_principal(request)
        except AccessRefused as refused:
            self.note_refusal(request, refused.reason)
            raise refused.problem() from None
        request.scope["state"]["access"] = {"principal": principal.name}
        add_log_fields(owner=principal.owner)
        return principal

    def note_refusal(self, request: Request, reason: AccessRefusal) -> None:
        """Counts a refusal, and has the request's log entry tell the reason."""
        self._metrics.access_refused.add(reason)
        request.scope["state"].setdefault("access", {})["refused"] = str(reason)

    async def _find_principal(self, request: Request) -> Principal:
        given = [value for name, value in request.scope["headers"] if name == b"authorization"]
        if len(given) > 1 or (given and len(given[0]) > MAX_CREDENTIALS):
            raise AccessRefused(AccessRefusal.MALFORMED)
        bearer = _BEARER.fullmatch(given[0]) if given else None
        if bearer is not None:
            return await self._check_bearer(bearer[1].decode())
        # Another scheme is of a proxy that passes on how users sign in to it.
        if user := self._find_proxied_user(request):
            return user
        raise AccessRefused(AccessRefusal.MALFORMED if given else AccessRefusal.MISSING)

    async def _check_bearer(self, credentials: str) -> Principal:
        if self._tokens is not None and not credentials.startswith(PREFIX):
            return await self._tokens.verify(credentials)
        key = self._keys.find(credentials) if self._keys is not None else None
        if key is None:
            raise AccessRefused(AccessRefusal.UNKNOWN_KEY)
        if time.time() >= key.expires:
            raise AccessRefused(AccessRefusal.EXPIRED)
        return key.principal

    def _find_proxied_user(self, request: Request) -> Principal | None:
        """The user whom a trusted proxy names; None if it names nobody, or if whoever does is not trusted."""
        if not self._user_header:
            return None
        named = [value for name, value in request.scope["headers"] if name == self._user_header]
        if not named or not self._settings.proxies.trusted(request.client.host if request.client else ""):
            return None
        owner = named[0].decode("latin-1")
        # Two values are a client's beside the proxy's.
        if len(named) > 1 or not OWNER.fullmatch(owner):
            raise AccessRefused(AccessRefusal.INVALID_OWNER)
        # Browsers send a proxy's cookie with the requests of other sites' pages, too.
        if request.method not in _SAFE_METHODS and request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
            raise AccessRefused(AccessRefusal.OTHER_SITE)
        return principal_of(owner, f"proxy:{owner}", self._user_scopes, self._limits_of(owner))

    def webhook_of(self, owner: str) -> OwnerWebhook | None:
        """What the webhooks of an owner's jobs are signed with, and where they go; None where there is no secret."""
        if not owner:
            secrets = self._settings.open_webhook_secrets
            return OwnerWebhook(secrets) if secrets else None
        return self._keys.table.webhooks.get(owner) if self._keys is not None else None

    def credentials_of(self, owner: str) -> frozenset[str]:
        """The credentials that an owner may use. Where access is open, anybody may use all, and nobody lists them."""
        return self._keys.table.credentials.get(owner, frozenset()) if self._keys is not None else frozenset()

    def may_use_credential(self, credential: str, owner: str) -> bool:
        """Whether a job of that owner may be done with the credential."""
        return self._open or credential in self.credentials_of(owner)

    def _limits_of(self, owner: str) -> OwnerLimits:
        table = self._keys.table if self._keys is not None else KeyTable()
        return table.limits_of(owner)
