"""The tickets by which a WebSocket at /ws/downloads may watch jobs: one for each job, or one for all of an owner's."""

import time

from vidferry_common.contract.subscriptions import SubscriptionError
from vidferry_common.contract.tickets import Purpose, TicketExpired, TicketInvalid, TicketSigner


class SubscriptionTickets:
    """Checks the tickets of one WebSocket's subscriptions."""

    __slots__ = ("_owner_ticket", "_signer")

    def __init__(self, signer: TicketSigner, owner_ticket: str | None) -> None:
        """owner_ticket: the one in the socket's URL; None if there is none."""
        self._signer, self._owner_ticket = signer, owner_ticket

    def find_required_owner(self, job_id: str, job_ticket: str | None) -> str | None:
        """Whose the job has to be; None if the job's own ticket allows to watch it. Raises SubscriptionRefused.

        A job's ticket that is given has to be right, also where the owner's would do. The owner's ticket is checked
        each time: a socket that stays open does not make it last longer for further jobs.
        """
        try:
            if job_ticket is None and self._owner_ticket is not None:
                return self._signer.check_owner_ticket(self._owner_ticket, time.time())
            self._signer.check_job_ticket(job_ticket or "", Purpose.WATCH, job_id, time.time())
        except TicketExpired:
            raise SubscriptionRefused(SubscriptionError.TICKET_EXPIRED) from None
        except TicketInvalid:
            raise SubscriptionRefused(SubscriptionError.TICKET_INVALID) from None
        return None


class SubscriptionRefused(Exception):
    """A job that the socket may not watch."""

    def __init__(self, error: SubscriptionError) -> None:
        super().__init__(error)
        self.error = error
