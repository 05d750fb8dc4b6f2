"""Requests to the api, sent again until there is an answer."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2

from system.chaos.cast import Cast, Owner

AGAIN_SECONDS = 0.3
REQUEST_SECONDS = 15


@dataclass(frozen=True)
class Caller:
    """Sends requests for one owner."""

    cast: Cast
    owner: Owner

    async def ask(self, method: str, path: str, *, may_refuse: bool = False, **options: Any) -> dict[str, Any]:
        """The answer, once there is one. Where may_refuse is true, a refusal counts as one, too."""
        headers = {**self.owner.headers, **options.pop("headers", {})}
        async with httpx2.AsyncClient(base_url=self.cast.api.url, timeout=REQUEST_SECONDS, verify=False) as client:
            while True:
                try:
                    response = await client.request(method, path, headers=headers, **options)
                    if response.status_code < HTTPStatus.BAD_REQUEST or (may_refuse and not _is_passing(response)):
                        return dict(response.json())
                    assert _is_passing(response), f"{method} {path}: {response.status_code} {response.text}"
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(AGAIN_SECONDS)

    async def list_children(self, batch_id: str) -> list[dict[str, Any]]:
        """The jobs of a batch, in the order of its entries."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = {"batch": batch_id, "page_token": token}
            page = await self.ask("GET", "/api/jobs", params=query)
            found += page["jobs"]
            token = page["next_page_token"]
            if not token:
                return found


def _is_passing(response: httpx2.Response) -> bool:
    """Whether another try may be answered otherwise."""
    return response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or (
        response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    )
