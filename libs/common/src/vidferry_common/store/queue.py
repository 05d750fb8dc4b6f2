"""The queue: what waits for a worker, and in which order it is taken."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from arq.jobs import serialize_job

from vidferry_common.contract import keys
from vidferry_common.contract.priority import Priority
from vidferry_common.store.scripts import ScriptRunner

PICK_SECONDS = 2.0
"""for which a download is kept for the worker that picked it, and held up where that worker dies before it claims"""


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """Limits of one site, in place of those of all."""

    downloads: int | None = None
    """that run at once, in place of Limits.site_limit"""
    starts: float | None = None
    """a minute; they are spread over it"""
    way: str | None = None
    """out to that site, in place of Limits.way"""


def describe_sites(sites: Mapping[str, SiteLimits]) -> str:
    """The limits of sites by their names, as pick.lua searches them."""
    lines = (
        f"{site} {limits.downloads or '-'} {limits.starts or '-'} {'-' if limits.way is None else limits.way}\n"
        for site, limits in sites.items()
    )
    return "".join(["\n", *lines]) if sites else ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the downloads of one site, and of one caller, that run at once. The other slots are for others."""

    slots: int = 0
    """of the worker that asks; all workers that are known count together"""
    site_share: float = 1
    """of all slots, one at least; 1: no limit"""
    site_limit: int = 0
    """over all workers, too; 0: no limit"""
    caller_share: float = 1
    """as site_share"""
    starts: float | None = None
    """a minute of each site; None: no limit"""
    sites: str = ""
    """those of the sites that have limits of their own (describe_sites): a thousand at the most, since each pick sends
    them all"""
    way: str = ""
    """out to all other sites, as a name that no other proxy has; empty: none. A site pauses for each way by itself"""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of sites that have one reason."""

    sites: int
    """that pause, counted for each credential and way out"""
    downloads: int
    """that they hold"""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits and what runs, of all workers."""

    waiting: int
    """due, and not claimed yet; without what pauses hold"""
    deferred: int
    """until their next try"""
    running: int
    oldest: float
    """seconds since the one that waits longest was due; 0 where none waits"""
    pauses: Mapping[str, Pauses] = field(default_factory=dict)
    """by the error code that is their reason"""


class QueueStore:
    """The queue in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def pick(self, count: int, limits: Limits = NO_LIMITS) -> tuple[list[bytes], float | None]:
        """The arq ids to start, kept for the caller for PICK_SECONDS; and the seconds until there may be more."""
        arguments = {
            "count": count,
            "kept_ms": int(PICK_SECONDS * 1000),
            "slots": limits.slots,
            "site_share": limits.site_share,
            "site_limit": limits.site_limit,
            "caller_share": limits.caller_share,
            "starts": limits.starts or 0,
            "way": limits.way,
            "record_seconds": self._record_seconds,
        }
        due_ms, *arq_ids = await self._scripts.run_positional("pick", [], orjson.dumps(arguments), limits.sites)
        return arq_ids, due_ms / 1000 if due_ms >= 0 else None

    async def read_depth(self) -> QueueDepth:
        """How much waits and runs. It is cheap, however long the queue is."""
        waiting, deferred, running, oldest_ms, pauses = await self._scripts.run(
            "queue_depth", [], head_start_ms=Priority.INTERACTIVE.head_start_ms
        )
        by_code = {code.decode(): Pauses(sites, held) for code, sites, held in zip(*[iter(pauses)] * 3, strict=True)}
        return QueueDepth(waiting, deferred, running, oldest_ms / 1000, by_code)


def arq_job(download_id: str, attempt: int, seconds: int) -> dict[str, Any]:
    """The arq job of an attempt, as the scripts take it: its id, its payload, and the ms that it is kept."""
    now = int(time.time() * 1000)
    payload = serialize_job(keys.FUNCTION, (download_id, attempt), {}, None, now, serializer=orjson.dumps)
    return {"id": keys.arq_id(download_id, attempt), "payload": payload, "ms": seconds * 1000}
