"""Leases: which worker runs which attempt, and which leases have expired."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.store.scripts import ScriptRunner

MAX_EXPIRED = 10
"""expired leases that one call returns"""


class AttemptId(NamedTuple):
    """The id of an attempt."""

    download_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt that a worker has claimed, and all that it needs to run it."""

    download_id: str
    attempt: int
    """the fence: it rises at every claim"""
    url: str
    format: Format
    retries: int
    traceparent: str
    last: Update
    """the last update before the claim"""
    force: bool
    """whether the video is to be fetched anew, even where it is in the bucket"""
    known_object: str
    """the object that the URL has led to before; empty where that is not known"""
    created: str
    """RFC 3339: of the download, by the clock of the api"""
    waited: float
    """seconds from when the attempt was due to its claim"""
    partition: str = ""
    """the part of the bucket whose objects it may use; empty: the one that all share"""
    max_duration: int = 0
    """seconds of the video that its owner may have; 0: no limit of the owner's"""
    max_bytes: int = 0
    """of the file, as max_duration"""
    credential: str = ""
    """whose cookies the site is asked with; empty: those that are for everybody"""
    outdated: str = ""
    """the version of yt-dlp on which an earlier attempt failed because it is too old for the site; empty: none did"""

    @classmethod
    def parse(cls, download_id: str, fields: dict[bytes, bytes], waited: float) -> "Claim":
        return cls(
            download_id=download_id,
            attempt=int(fields[b"attempt"]),
            url=(fields.get(b"url") or fields[b"url_for_credential"]).decode(),
            format=Format.parse(fields[b"format"].decode()),
            retries=int(fields[b"retries"]),
            traceparent=fields[b"traceparent"].decode(),
            last=Update.from_body(fields[b"body"]),
            force=bool(fields[b"force"]),
            known_object=fields[b"known_object"].decode(),
            created=fields[b"created"].decode(),
            waited=waited,
            partition=fields.get(b"partition", b"").decode(),
            max_duration=int(fields.get(b"max_duration", 0)),
            max_bytes=int(fields.get(b"max_bytes", 0)),
            credential=fields.get(b"credential", b"").decode(),
            outdated=fields.get(b"outdated", b"").decode(),
        )


class LeaseStore:
    """The leases in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def claim(self, download_id: str, attempt: int, lease: float, worker: str) -> Claim | None:
        """Takes an attempt for lease seconds; None where it is not the next one. Again by the same worker: the same."""
        flat = await self._scripts.run(
            "claim",
            [keys.DOWNLOAD + download_id],
            download_id=download_id,
            attempt=attempt,
            lease_ms=int(lease * 1000),
            worker=worker,
        )
        if not flat:
            return None
        waited_ms, *record = flat
        return Claim.parse(download_id, dict(zip(record[::2], record[1::2], strict=True)), waited_ms / 1000)

    async def renew(self, claims: Mapping[str, int], lease: float) -> set[str]:
        """Renews the leases of {download id: attempt} for lease seconds. Returns the ids of those that are lost."""
        lost = await self._scripts.run("renew", [], lease_ms=int(lease * 1000), attempts=claims)
        return {download_id.decode() for download_id in lost}

    async def find_expired(
        self, worker: str, silence: float, gap: float, lease: float, slots: int = 0
    ) -> list[str] | None:
        """Makes the worker the leader unless another one has led within silence seconds; None where one has.

        Returns ids of downloads whose lease has expired, the oldest first. After a gap, in which nobody led for that
        many seconds, Redis was away: then it returns none for the length of one lease, in which holders renew theirs.
        slots: the worker's, which count among those of all for the length of one lease; 0: it takes no more downloads.
        """
        found = await self._scripts.run(
            "expired_leases",
            [keys.LEADER],
            worker=worker,
            silence_ms=int(silence * 1000),
            gap_ms=int(gap * 1000),
            lease_ms=int(lease * 1000),
            most=MAX_EXPIRED,
            slots=slots,
        )
        return None if found is None else [member.decode() for member in found]

    async def wait_for_cancellation(self, worker: str, seconds: int) -> AttemptId | None:
        """The next attempt of the worker that was cancelled; None where there is none within seconds."""
        found = await self._scripts.await_reply(
            self._scripts.redis.blpop([keys.CANCELLATIONS + worker], timeout=seconds)
        )
        if not found:
            return None
        download_id, _, attempt = found[1].decode().rpartition(":")
        return AttemptId(download_id, int(attempt))
