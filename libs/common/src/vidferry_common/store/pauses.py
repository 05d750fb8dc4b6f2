"""Pauses of sites: while a site wants fewer requests, nothing starts there.

A pause is of one site, one credential and one way out. What would start there is held, and is not on the queue. When
the time is over, one trial goes; once the site has answered it, the others follow in their order.
"""

from dataclasses import dataclass

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.messages import RELEASED, Update, utc_now
from vidferry_common.contract.stages import GOES_ON
from vidferry_common.origins import registered_site_of
from vidferry_common.store.downloads import RequeueOutcome
from vidferry_common.store.queue import arq_job
from vidferry_common.store.scripts import ScriptRunner

MAX_REFUSALS = 6
"""of one download; the last one ends it"""
MAX_PAUSE = 3600.0
"""seconds, unless the site itself asks for more"""
TENDED = 50
"""held downloads that one script tells or releases"""


@dataclass(frozen=True, slots=True)
class PauseRule:
    """How long sites pause."""

    first: float
    """seconds of a first pause, where the site asks for no time of its own. Each further one is twice as long"""
    longest_asked: float
    """seconds that a site may ask for"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A site's wish for fewer requests."""

    code: ErrorCode
    url: str
    """that it refused"""
    way: str = ""
    """the way out, as Limits.way"""
    retry_after: float = 0
    """seconds that the site asks for; 0 where it names none"""

    @property
    def site(self) -> str:
        """What the pause counts by, as NewJob.shared_site."""
        return registered_site_of(self.url)

    def arguments(self, rule: PauseRule, record_seconds: int) -> dict[str, object]:
        """What the scripts are told of it."""
        sentence = f"{self.code.pause_sentence(self.site or 'The site')}{GOES_ON}%H:%M UTC."
        return {
            "code": self.code,
            "way": self.way,
            "sentence": orjson.dumps(sentence),
            "first_ms": int(rule.first * 1000),
            "longest_ms": int(max(rule.first, MAX_PAUSE) * 1000),
            "asked_ms": int(min(self.retry_after, rule.longest_asked) * 1000),
            "record_seconds": record_seconds,
        }


class PauseStore:
    """The pauses in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def refuse(
        self, download_id: str, attempt: int, refusal: Refusal, rule: PauseRule, update: Update, failure: Failure
    ) -> RequeueOutcome:
        """Pauses the site of a running download that it has refused, and holds the download.

        update: of its watchers while it waits; the script puts reason and time into it. failure: where it has been
        refused MAX_REFUSALS times.
        """
        outcome = await self._scripts.run(
            "refuse",
            [keys.DOWNLOAD + download_id],
            download_id=download_id,
            attempt=attempt,
            limit=MAX_REFUSALS - 1,
            body=update.body(),
            failure=update.as_failed(failure).body(),
            expires_at=utc_now(self._record_seconds),
            arq=arq_job(download_id, attempt + 1, self._record_seconds),
            **refusal.arguments(rule, self._record_seconds),
        )
        return RequeueOutcome(outcome.decode())

    async def refuse_look(self, refusal: Refusal, rule: PauseRule, credential: str = "") -> None:
        """Pauses a site that has refused a look."""
        arguments = refusal.arguments(rule, self._record_seconds)
        await self._scripts.run("refuse_look", [], site=refusal.site, credential=credential, **arguments)

    async def tend(self) -> bool:
        """Tells some of the held downloads until when they wait, or puts some on the queue whose pause is over.

        Returns whether there is more to be done.
        """
        released = orjson.dumps(RELEASED)
        reply = await self._scripts.run(
            "tend_pauses", [], most=TENDED, released=released, record_seconds=self._record_seconds
        )
        return bool(reply)
