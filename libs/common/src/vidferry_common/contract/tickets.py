"""Tickets: what lets a client without a key watch one job, read its file and thumbnail, or watch all jobs of an owner.

    TicketRefused
    ├── TicketInvalid    missing, not signed with these keys, for something else, or changed afterwards
    └── TicketExpired    signed here, but its time is over: ask for a fresh one

A ticket is `<expiry>.<signature>`: seconds since 1970, and the HMAC-SHA256 of purpose, expiry and subject, in
base64url. The subject, which is a job's id, is not in it: whoever checks a ticket knows which job is asked for. The
ticket of an owner names its subject, because nothing else at /ws/downloads does: `<expiry>.<owner>.<signature>`.

Each ticket has exactly one spelling. A text of any other form is refused before anything is computed from it.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import parse_qs

from pydantic import SecretStr

from vidferry_common.contract.scopes import OWNER

QUERY = "ticket"
"""the query parameter that carries it"""
_LIFETIME_PARTS = 8
"""Expiries are rounded up to an eighth of the lifetime, so that a document that is read twice has the same links."""
_JOB_TICKET = re.compile(r"(?P<expires>[1-9][0-9]{0,11})\.(?P<signature>[A-Za-z0-9_-]{43})")
_OWNER_TICKET = re.compile(
    rf"(?P<expires>[1-9][0-9]{{0,11}})\.(?P<owner>{OWNER.pattern})\.(?P<signature>[A-Za-z0-9_-]{{43}})"
)


class Purpose(StrEnum):
    """What a ticket allows."""

    WATCH = "watch"
    """watching one job, by WebSocket or event stream"""
    READ = "read"
    """reading one job's file, thumbnail and sidecars"""
    READ_OBJECT = "read-object"
    """reading one object's file and sidecars"""
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
        """A ticket for one job, valid for the lifetime and up to an eighth of it more. job_id: lower case."""
        expires = str(self.expiry(now))
        return f"{expires}.{_sign(self._keys[0], purpose, expires, job_id)}"

    def make_owner_ticket(self, owner: str, now: float) -> str:
        """A ticket for watching any job of an owner. Raises ValueError if that is no owner's name."""
        if not OWNER.fullmatch(owner):
            raise ValueError("an owner is 1 to 64 characters of A-Z, a-z, 0-9 and . _ @ -")
        expires = str(self.expiry(now))
        return f"{expires}.{owner}.{_sign(self._keys[0], Purpose.WATCH_OWNER, expires, owner)}"

    def expiry(self, now: float) -> int:
        """When a ticket that is made now expires, in seconds since 1970."""
        return (int(now) + self._lifetime) // self._rounding * self._rounding + self._rounding

    def next_expiry_change(self, now: float) -> int:
        """From when on tickets are made with a later expiry: until then, those that are made are the same."""
        return self.expiry(now) - self._lifetime

    def check_job_ticket(self, ticket: str, purpose: Purpose, job_id: str, now: float) -> None:
        """Raises TicketInvalid or TicketExpired unless the ticket is for that purpose and job. job_id: lower case."""
        match = _JOB_TICKET.fullmatch(ticket)
        if match is None:
            raise TicketInvalid
        self._check(match, purpose, job_id, now)

    def check_owner_ticket(self, ticket: str, now: float) -> str:
        """Returns the owner whose jobs the ticket allows to watch. Raises TicketInvalid or TicketExpired."""
        match = _OWNER_TICKET.fullmatch(ticket)
        if match is None:
            raise TicketInvalid
        self._check(match, Purpose.WATCH_OWNER, match["owner"], now)
        return match["owner"]

    def _check(self, match: re.Match[str], purpose: Purpose, subject: str, now: float) -> None:
        expires, given = match["expires"], match["signature"]
        # All keys are tried, so that the time tells nothing about which one it was.
        matches = [hmac.compare_digest(_sign(key, purpose, expires, subject), given) for key in self._keys]
        if not any(matches):
            raise TicketInvalid
        if now >= int(expires):
            raise TicketExpired


def ticket_in_query(query: str) -> str | None:
    """The ticket in a URL's query; None if there is none.

    Several are as good as an invalid one: programs differ in which of them they would take.
    """
    given = parse_qs(query, keep_blank_values=True).get(QUERY)
    if given is None:
        return None
    return given[0] if len(given) == 1 else ""


def _sign(key: bytes, purpose: Purpose, expires: str, subject: str) -> str:
    """The subject stands last: purpose and expiry contain no newline, so no two tickets have the same message."""
    message = f"vidferry-ticket\n{purpose}\n{expires}\n{subject}".encode()
    return urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).rstrip(b"=").decode()
