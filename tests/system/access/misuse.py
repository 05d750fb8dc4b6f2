"""Misuses of a ticket: what a thief, a guesser or a careless program sends in place of the right one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support.tickets import expired_ticket, owner_ticket, read_ticket, signer, watch_ticket
from vidferry_common.contract.tickets import Purpose


@dataclass
class Attempt:
    """One request for a job."""

    job_id: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What is asked for, by whom, and what is somebody else's."""

    purpose: Purpose
    job_id: str
    other_job_id: str
    owner: str
    other_owner: str

    def ticket(self, job_id: str = "", purpose: Purpose | None = None) -> str:
        """The right ticket, or that for another job or purpose."""
        make = watch_ticket if (purpose or self.purpose) is Purpose.WATCH else read_ticket
        return make(job_id or self.job_id)

    @property
    def other_purpose(self) -> Purpose:
        return Purpose.READ if self.purpose is Purpose.WATCH else Purpose.WATCH


def _with(change: Callable[[str], str]) -> Callable[[Target], Attempt]:
    return lambda target: Attempt(target.job_id, f"?ticket={change(target.ticket())}")


def _by_key(key: str) -> Callable[[Target], Attempt]:
    return lambda target: Attempt(
        target.job_id, f"?ticket={signer(key).make_job_ticket(target.purpose, target.job_id, time.time())}"
    )


def _swap_last(ticket: str) -> str:
    """Another spelling of the same bytes: the last character of 43 holds two bits that count for nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return ticket[:-1] + alphabet[alphabet.index(ticket[-1]) ^ 1]


def _wide_digits(ticket: str) -> str:
    expires, _, signature = ticket.partition(".")
    return "".join(chr(0xFF10 + int(digit)) for digit in expires) + "." + signature


def _later(ticket: str) -> str:
    expires, _, signature = ticket.partition(".")
    return f"{int(expires) + 86400}.{signature}"


INVALID: dict[str, Callable[[Target], Attempt]] = {
    "no ticket": lambda target: Attempt(target.job_id),
    "an empty one": _with(lambda _: ""),
    "of another job": lambda target: Attempt(
        target.job_id, f"?ticket={target.ticket(target.other_job_id)}"
    ),
    "for another purpose": lambda target: Attempt(
        target.job_id, f"?ticket={target.ticket(purpose=target.other_purpose)}"
    ),
    "of the owner": lambda target: Attempt(target.job_id, f"?ticket={owner_ticket(target.owner)}"),
    "of another owner": lambda target: Attempt(target.job_id, f"?ticket={owner_ticket(target.other_owner)}"),
    "signed with another key": _by_key("x" * 32),
    "signed with an empty key": _by_key(""),
    "signed with the purpose's name": _by_key("watch"),
    "with a later expiry": _with(_later),
    "with a negative expiry": _with(lambda ticket: "-" + ticket),
    "with zeros before": _with(lambda ticket: "0" + ticket),
    "with an exponent": _with(lambda ticket: "9e99." + ticket.partition(".")[2]),
    "with wide digits": _with(_wide_digits),
    "without a signature": _with(lambda ticket: ticket.partition(".")[0] + "."),
    "truncated": _with(lambda ticket: ticket[:-1]),
    "padded": _with(lambda ticket: ticket + "="),
    "padded and escaped": _with(lambda ticket: ticket + "%3D"),
    "with a NUL": _with(lambda ticket: ticket + "%00"),
    "with a line": _with(lambda ticket: ticket + "%0a"),
    "with a space": _with(lambda ticket: "+" + ticket),
    "in the other case": _with(lambda ticket: ticket.swapcase()),
    "another spelling of its bytes": _with(_swap_last),
    "of plain base64": _with(lambda ticket: ticket.replace("-", "%2B").replace("_", "%2F") + "%3D"),
    "escaped twice": _with(lambda ticket: ticket.replace(".", "%252E")),
    "huge": _with(lambda ticket: ticket + "A" * 20_000),
    "twice": lambda target: Attempt(target.job_id, f"?ticket={target.ticket()}&ticket={target.ticket()}"),
    "first wrong": lambda target: Attempt(target.job_id, f"?ticket=x&ticket={target.ticket()}"),
    "last wrong": lambda target: Attempt(target.job_id, f"?ticket={target.ticket()}&ticket="),
    "in another parameter": lambda target: Attempt(target.job_id, f"?token={target.ticket()}&Ticket={target.ticket()}"),
    "in a list parameter": lambda target: Attempt(target.job_id, f"?ticket[]={target.ticket()}"),
    "in a cookie": lambda target: Attempt(target.job_id, headers={"Cookie": f"ticket={target.ticket()}"}),
    "in headers": lambda target: Attempt(
        target.job_id, headers={"Ticket": target.ticket(), "X-Original-URL": f"/?ticket={target.ticket()}"}
    ),
    "as a bearer token": lambda target: Attempt(
        target.job_id, headers={"Authorization": f"Bearer {target.ticket()}"}
    ),
    "in the Referer": lambda target: Attempt(
        target.job_id, headers={"Referer": f"http://localhost/?ticket={target.ticket()}"}
    ),
}  # fmt: skip
"""by what is sent; each is refused as a missing or invalid ticket"""


def expired(target: Target) -> Attempt:
    """With a ticket whose time has been over for a second."""
    return Attempt(target.job_id, f"?ticket={expired_ticket(target.purpose, target.job_id)}")
