"""The steps of one attempt with a child: extract, decide, download, upload."""

from dataclasses import replace
from pathlib import Path

from vidferry_common.bucket import NEW, StoredObject
from vidferry_common.contract import stages
from vidferry_common.metrics.catalogue import FencedWrite
from vidferry_common.store import Claim
from vidferry_worker.attempt.bounds import VideoBounds, extraction_limits, extraction_stall_seconds, pacing_of
from vidferry_worker.attempt.reporter import FenceLost
from vidferry_worker.attempt.result import DownloadResult, ResultBuilder
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.attempt.tracker import DownloadTracker
from vidferry_worker.attempt.uploader import Uploader
from vidferry_worker.children.child import Child
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Done, DownloadOrder, Growing, Progress, Thumbnail
from vidferry_worker.children.session import ChildSession
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import until_redis_answers
from vidferry_worker.sites.rules import SiteRule
from vidferry_worker.upload import evidence
from vidferry_worker.upload.plan import UploadPlan

SILENCE_SECONDS = 1.0
"""without a report, after which the speed that was last shown is wrong"""


class JobsMoved(Exception):
    """Another download makes the same object already, and the jobs of this one were moved to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        """of the object"""


class Pipeline:
    """The way of one video, from its URL into the bucket."""

    def __init__(
        self,
        context: WorkerContext,
        claim: Claim,
        state: AttemptState,
        rule: SiteRule,
        child: Child,
        folder: Path,
    ) -> None:
        """rule: of the URL's site. Raises JobFailure if there are no cookies for the download's credential."""
        self._context, self._claim, self._state, self._rule = context, claim, state, rule
        settings = context.settings
        self._session = ChildSession(child, extraction_limits(settings, rule))
        self._bounds = VideoBounds.of(settings, claim)
        self._loan = context.cookies.lend(claim.url, claim.credential)
        self._results = ResultBuilder(context, claim, state)
        self._uploader = Uploader(
            context, state, self._results, folder, self._bounds.max_bytes, allow_link=not child.is_of_bundle
        )

    async def run(self) -> DownloadResult:
        """Raises JobFailure, BucketError, ChildEnded, TimeoutError, JobsMoved, FenceLost."""
        try:
            with self._loan.blame_refusals():
                return await self._run_steps()
        finally:
            await self._uploader.close()

    async def _run_steps(self) -> DownloadResult:
        extraction = self._keep_known_title(await self._session.extract(self._make_order()))
        name = extraction.identity.object_name(self._claim.format.canonical(), self._claim.partition)
        await self._claim_object(name)
        self._state.add_facts(title=extraction.title)
        self._state.enter_step(stages.INFO)
        stored = await self._results.find_and_pin_object(name)
        url_is_stable = not extraction.identity.by_url and extraction.videos == 1  # the next one is warned as well
        self._results.note_other_videos(extraction.videos, extraction.other_urls)
        if stored and await self._can_reuse(stored, extraction):
            self._session.dismiss()
            return await self._results.build_reused(stored, url_is_stable=url_is_stable)
        plan = UploadPlan(name, extraction, self._claim, stored.version if stored else NEW)
        with self._context.fragment_budget.reserve(extraction.identity.domain, self._rule.fragments or 1) as fragments:
            self._session.start_download(fragments=fragments, growing=self._context.uploads_while_downloading)
            done = await self._download_file(plan)
        await self._session.close()
        stored, reused = await self._uploader.upload_video(plan, done)
        self._state.enter_step(stages.UPLOADED, speed=None, eta=None)
        await self._uploader.finish_thumbnail(stored)
        return await self._results.build(stored, reused=reused, url_is_stable=url_is_stable)

    def _keep_known_title(self, extraction: Extraction) -> Extraction:
        """The title that a list gave the video says more than the name of its file."""
        known = self._claim.last.title
        return replace(extraction, title=known) if known and extraction.title_from_url else extraction

    def _make_order(self) -> DownloadOrder:
        claim, bounds = self._claim, self._bounds
        return DownloadOrder(
            claim.url,
            claim.format.canonical(),
            bounds.max_duration,
            bounds.max_bytes,
            self._context.settings.stall_seconds,
            extraction_stall_seconds(self._context.settings),
            self._loan.cookies,
            pacing_of(self._context.settings, self._rule),
            self._rule.sent_user_agent,
            self._rule.impersonate or "",
        )

    async def _claim_object(self, name: str) -> None:
        is_claimed = await until_redis_answers(lambda: self._context.store.downloads.claim_object(self._claim, name))
        if is_claimed is None:
            self._context.metrics.fenced_writes.add(FencedWrite.OBJECT)
            raise FenceLost
        if not is_claimed:
            raise JobsMoved(name)

    async def _can_reuse(self, stored: StoredObject, extraction: Extraction) -> bool:
        """Whether the object in the bucket may be the result. If an earlier attempt made it, it always may."""
        if stored.metadata.get("download") == self._claim.download_id:
            return True
        if self._claim.force:
            return False
        return not extraction.identity.by_url or await self._is_unchanged(stored)

    async def _is_unchanged(self, stored: StoredObject) -> bool:
        """Whether the origin confirms that its content is the same as when the object was made."""
        known = evidence.from_metadata(stored.metadata)
        return bool(known) and evidence.is_same(known, await self._session.ask_evidence())

    async def _download_file(self, plan: UploadPlan) -> Done:
        """Follows the child's download to its last report, which describes the finished file."""
        self._state.enter_step(stages.DOWNLOAD_STARTED)
        tracker = DownloadTracker(
            self._state, plan.extraction, self._context.settings, self._context.metrics, self._bounds.max_bytes
        )
        while True:
            report = await self._session.next_report(SILENCE_SECONDS)
            if isinstance(report, Progress) or report is None:
                self._uploader.note_growth()
            elif isinstance(report, Thumbnail):
                self._uploader.start_thumbnail(plan, report)
            elif isinstance(report, Growing):
                self._uploader.start_growing_file(plan, report)
            tracker.take_report(report)
            if isinstance(report, Done):
                return report
