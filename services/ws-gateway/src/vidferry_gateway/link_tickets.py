"""Puts tickets into the links of messages. Redis holds no tickets: each gateway adds them, once a message."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from vidferry_common.contract.tickets import QUERY, Purpose, TicketSigner


@dataclass(slots=True)
class JobTickets:
    """The tickets of one job's links, and how these links end. They stay the same for an eighth of their lifetime."""

    links: tuple[tuple[bytes, bytes], ...]
    """of each link: the key of its field, and its end"""
    query: bytes
    """what is added to each"""
    good_until: float
    """seconds since 1970"""


class LinkTickets:
    """Makes the tickets of jobs, and puts them into their messages."""

    def __init__(self, signer: TicketSigner, clock: Callable[[], float] = time.time) -> None:
        self._signer, self._clock = signer, clock

    def add_to(self, raw: bytes, job_id: str, known: JobTickets | None) -> tuple[bytes, JobTickets]:
        """Returns the message with tickets in its links, and the tickets, to be passed again with the next message.

        A link is a field of that name whose value ends as the link of this job does, so nothing that a site or a caller
        wrote gets a ticket: the key contains quotes, which are escaped in texts, and a caller's own fields were written
        before the job had its id.
        """
        now = self._clock()
        tickets = self._make(job_id, now) if known is None or now >= known.good_until else known
        for key, end_of_link in tickets.links:
            start = raw.find(key)
            while start >= 0:
                start += len(key)
                end = raw.find(b'"', start)
                if raw.endswith(end_of_link, start, end):
                    raw = b"%b%b%b" % (raw[:end], tickets.query, raw[end:])
                    break
                start = raw.find(key, start)
        return raw, tickets

    def _make(self, job_id: str, now: float) -> JobTickets:
        path = f"/api/jobs/{job_id}"
        links = ((b'"thumbnail":"', f"{path}/thumbnail".encode()), (b'"file_url":"', f"{path}/file".encode()))
        query = f"?{QUERY}={self._signer.make_job_ticket(Purpose.READ, job_id, now)}"
        return JobTickets(links, query.encode(), self._signer.next_expiry_change(now))
