"""`POST /api/tickets`."""

import time
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from vidferry_api.dependencies import ReaderDep, ServicesDep
from vidferry_api.http.problems import problem_responses
from vidferry_api.http.public_urls import many_jobs_url, public_root
from vidferry_api.tickets.schemas import OwnerTicket
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.contract.tickets import QUERY

router = APIRouter()


@router.post(
    "/api/tickets",
    tags=["tickets"],
    operation_id="createTicket",
    summary="Get a ticket for the WebSocket of many jobs",
    responses=problem_responses(ProblemCode.INVALID_HOST),
)
async def post_ticket(request: Request, services: ServicesDep, principal: ReaderDep) -> OwnerTicket:
    """Makes a ticket for watching every job of the caller's owner, including later ones, and nobody else's.

    Where access is open, the response has no ticket, and its `ws_url` works without one. So a client needs to know
    nothing about the mode of access.
    """
    url, now = many_jobs_url(public_root(request, services.settings)), time.time()
    if services.tickets is None:
        return OwnerTicket(ticket=None, expires_at=None, ws_url=url)
    ticket = services.tickets.make_owner_ticket(principal.owner, now)
    expires_at = format_timestamp(datetime.fromtimestamp(services.tickets.expiry(now), UTC))
    return OwnerTicket(ticket=ticket, expires_at=expires_at, ws_url=f"{url}?{QUERY}={ticket}")
