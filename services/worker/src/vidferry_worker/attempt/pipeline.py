"""What is done to a video within one attempt, in its order: extract, decide, download, upload."""

from pathlib import Path

from vidferry_common.bucket import NEW, StoredObject
from vidferry_common.contract import stages
from vidferry_common.store import Claim
from vidferry_worker.attempt.reporter import FenceLost
from vidferry_worker.attempt.result import DownloadResult, ResultBuilder
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.attempt.tracker import DownloadTracker
from vidferry_worker.attempt.uploader import Uploader
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Done, DownloadOrder, Growing, Progress, Thumbnail
from vidferry_worker.children.session import ChildSession, ExtractionLimits
from vidferry_worker.children.zygote import Child
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import until_redis_answers
from vidferry_worker.upload import evidence
from vidferry_worker.upload.plan import UploadPlan

SILENCE_SECONDS = 1.0
"""after which the speed that was told is not true any more"""


class Merged(Exception):
    """Another download makes the same object; the jobs of this one follow it now."""


class Pipeline:
    """One child's video, on its way to the bucket."""

    def __init__(self, context: WorkerContext, claim: Claim, state: AttemptState, child: Child, folder: Path) -> None:
        self._context, self._claim, self._state = context, claim, state
        settings = context.settings
        self._session = ChildSession(child, ExtractionLimits(settings.extract_seconds, settings.extract_cpu_seconds))
        self._results = ResultBuilder(context, claim, state)
        self._uploader = Uploader(context, state, self._results, folder)

    async def run(self) -> DownloadResult:
        """Raises JobFailure, BucketError, ChildEnded, TimeoutError, Merged, FenceLost."""
        try:
            return await self._run()
        finally:
            await self._uploader.close()

    async def _run(self) -> DownloadResult:
        extraction = await self._session.extract(self._order())
        name = extraction.identity.object_name(self._claim.format.canonical())
        await self._identify(name)
        self._state.add_facts(title=extraction.title)
        self._state.enter_step(stages.INFO)
        stored = await self._results.find_object(name)
        lasting = not extraction.identity.by_url
        if stored and await self._is_the_result(stored, extraction):
            self._session.dismiss()
            return await self._results.build_reused(stored, lasting=lasting)
        plan = UploadPlan(name, extraction, self._claim, stored.generation if stored else NEW)
        with self._context.fragment_budget.share(extraction.identity.domain) as fragments:
            self._session.go_on(fragments=fragments, growing=self._context.early)
            done = await self._download(plan)
        await self._session.close()
        made, reused = await self._uploader.upload_video(plan, done)
        self._state.enter_step(stages.UPLOADED, speed=None, eta=None)
        await self._uploader.finish_thumbnail()
        return await self._results.build(made, reused=reused, lasting=lasting)

    def _order(self) -> DownloadOrder:
        claim, settings = self._claim, self._context.settings
        return DownloadOrder(
            claim.url, claim.format.canonical(), settings.max_duration, settings.max_bytes, settings.stall_seconds
        )

    async def _identify(self, name: str) -> None:
        mine = await until_redis_answers(lambda: self._context.store.downloads.claim_object(self._claim, name))
        if mine is None:
            raise FenceLost
        if not mine:
            raise Merged

    async def _is_the_result(self, stored: StoredObject, extraction: Extraction) -> bool:
        """Whether what is in the bucket is what was asked for: an earlier attempt's own success always is."""
        if stored.metadata.get("download") == self._claim.download_id:
            return True
        if self._claim.force:
            return False
        return not extraction.identity.by_url or await self._is_still(stored)

    async def _is_still(self, stored: StoredObject) -> bool:
        """Whether the origin has what it had when the object was made, as far as it tells that."""
        before = evidence.from_metadata(stored.metadata)
        return bool(before) and evidence.is_same(before, await self._session.ask_evidence())

    async def _download(self, plan: UploadPlan) -> Done:
        """The child's last report, which tells of the finished file."""
        self._state.enter_step(stages.DOWNLOAD_STARTED)
        tracker = DownloadTracker(self._state, plan.extraction, self._context.settings, self._context.metrics)
        while True:
            report = await self._session.next_report(SILENCE_SECONDS)
            if isinstance(report, Progress) or report is None:
                self._uploader.note_growth()
            elif isinstance(report, Thumbnail):
                self._uploader.begin_thumbnail(plan, report)
            elif isinstance(report, Growing):
                self._uploader.begin_growing_file(plan, report)
            tracker.take_report(report)
            if isinstance(report, Done):
                return report
