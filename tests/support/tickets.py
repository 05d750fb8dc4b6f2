"""Tickets as services that are started with ACCESS make them."""

import time

from pydantic import SecretStr

from vidferry_common.contract.tickets import Purpose, TicketSigner

TICKET_KEY = "ticket-key-of-the-tests-012345678"
HOURS = 12
ACCESS = {"access": "keys", "ticket_keys": TICKET_KEY, "ticket_hours": str(HOURS)}
"""settings of an api or a gateway"""


def signer(*keys: str, lifetime: int = HOURS * 3600) -> TicketSigner:
    """Signs with the first of the keys; with the tests' own by default. lifetime: seconds."""
    return TicketSigner([SecretStr(key) for key in keys or (TICKET_KEY,)], lifetime)


def watch_ticket(job_id: str) -> str:
    return signer().make_job_ticket(Purpose.WATCH, job_id, time.time())


def read_ticket(job_id: str) -> str:
    return signer().make_job_ticket(Purpose.READ, job_id, time.time())


def owner_ticket(owner: str) -> str:
    return signer().make_owner_ticket(owner, time.time())


def expired_ticket(purpose: Purpose, subject: str) -> str:
    """A ticket that expired within the last two seconds, for a job or an owner."""
    made, brief = time.time() - 2, signer(lifetime=0)
    if purpose is Purpose.WATCH_OWNER:
        return brief.make_owner_ticket(subject, made)
    return brief.make_job_ticket(purpose, subject, made)
