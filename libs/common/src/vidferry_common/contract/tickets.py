"""Tickets: what lets a client without a key watch one job, read its file and thumbnail, or watch all jobs of an owner.

    TicketRefused
    ├── TicketInvalid    missing, not signed with these keys, for something else, or changed afterwards
    └── TicketExpired    signed here, but its time is over: ask for a fresh one

A ticket is `<expiry>.<signature>`: seconds since 1970, and the HMAC-SHA256 of purpose, subject and expiry, in
base64url. The subject, which is a job's id, is not in it: whoever checks a ticket knows which job is asked for. The
ticket of an owner names its subject, because nothing else at /ws/downloads does: `<expiry>.<owner>.<signature>`.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from enum import StrEnum

from pydantic import SecretStr

MAX_LENGTH = 512
"""characters of the longest ticket that is looked at"""
QUERY = "ticket"
"""the query parameter that carries it"""
_LIFETIME_PARTS = 8
"""Expiries are rounded up to an eighth of the lifetime, so that a document that is read twice has the same links."""


class Purpose(StrEnum):
    """What a ticket allows."""

    WATCH = "watch"
    """watching one job, by WebSocket or event stream"""
    READ = "read"
    """reading one job's file, thumbnail and sidecars"""
    WATCH_OWNER = "watch-owner"
    """watching any job of one owner at /ws/downloads"""


class TicketRefused(Exception):
    """A ticket that allows nothing."""


class TicketInvalid(TicketRefused):
    """The ticket is missing or malformed, was not signed with these keys, or is for another job or purpose."""


class TicketExpired(TicketRefused):
    """The ticket's time is over."""


class TicketSigner:
    """Makes tickets with the first key, and accepts those of every key, so that keys can be rotated."""

    def __init__(self, keys: Sequence[SecretStr], lifetime: int) -> None:
        """lifetime: seconds. keys: at least one."""
        self._keys = [key.get_secret_value().encode() for key in keys]
        self._rounding = max(1, lifetime // _LIFETIME_PARTS)
        self._lifetime = lifetime

    def make_job_ticket(self, purpose: Purpose, job_id: str, now: float) -> str:
        """A ticket for one job, valid for the lifetime and up to an eighth of it more."""
        expires = self.expiry(now)
        return f"{expires}.{_sign(self._keys[0], purpose, job_id, expires)}"

    def make_owner_ticket(self, owner: str, now: float) -> str:
        """A ticket for watching any job of an owner."""
        expires = self.expiry(now)
        return f"{expires}.{_encode(owner.encode())}.{_sign(self._keys[0], Purpose.WATCH_OWNER, owner, expires)}"

    def expiry(self, now: float) -> int:
        """When a ticket that is made now expires, in seconds since 1970."""
        return (int(now) + self._lifetime) // self._rounding * self._rounding + self._rounding

    def check_job_ticket(self, ticket: str, purpose: Purpose, job_id: str, now: float) -> None:
        """Raises TicketInvalid or TicketExpired unless the ticket is for that purpose and job. job_id: lower case."""
        if len(ticket) > MAX_LENGTH:
            raise TicketInvalid
        expires, _, signature = ticket.partition(".")
        self._check(signature, purpose, job_id, expires, now)

    def check_owner_ticket(self, ticket: str, now: float) -> str:
        """Returns the owner whose jobs the ticket allows to watch. Raises TicketInvalid or TicketExpired."""
        parts = ticket.split(".") if len(ticket) <= MAX_LENGTH else []
        if len(parts) != 3:  # noqa: PLR2004 - expiry, owner, signature
            raise TicketInvalid
        expires, encoded_owner, signature = parts
        owner = _decode(encoded_owner)
        self._check(signature, Purpose.WATCH_OWNER, owner, expires, now)
        return owner

    def _check(self, signature: str, purpose: Purpose, subject: str, expires: str, now: float) -> None:
        given = signature.encode(errors="replace")
        # All keys are tried, so that the time tells nothing about which one it was.
        matches = [hmac.compare_digest(_sign(key, purpose, subject, expires).encode(), given) for key in self._keys]
        if not any(matches):
            raise TicketInvalid
        if now >= int(expires):  # only this class signs, so it is a number that it wrote
            raise TicketExpired


def _sign(key: bytes, purpose: Purpose, subject: str, expires: int | str) -> str:
    message = f"vidferry-ticket\n{purpose}\n{expires}\n{subject}".encode(errors="replace")
    return _encode(hmac.digest(key, message, hashlib.sha256))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> str:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (NotBase64, ValueError):
        raise TicketInvalid from None
