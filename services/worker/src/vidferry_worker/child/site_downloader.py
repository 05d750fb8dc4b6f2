"""The YoutubeDL of a child: it limits requests, follows how the video was found, and checks what was downloaded."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.networking.impersonate import ImpersonateTarget

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import body_checks, cookies, drm, request_limits, retry_after
from vidferry_worker.child.classify import code_of_status
from vidferry_worker.child.dash.period_merging import without_unfit
from vidferry_worker.child.identity import EXTRACTORS_WITHOUT_IDS, ExtractionStep, ExtractionTrail
from vidferry_worker.child.impersonation.handler import BrokeredCurlCFFIRH
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.page.context import limit_referer
from vidferry_worker.child.page_limits import check_formats
from vidferry_worker.child.patches import file_extensions
from vidferry_worker.child.patient_request import PatientRequest
from vidferry_worker.child.request_pace import RequestPace
from vidferry_worker.child.site_extractors import extractors_of_same_site
from vidferry_worker.child.stall_timer import StallTimer

MAX_RECORDED = 64
"""responses whose headers are kept"""
MAX_HOPS = 10
"""pages that lead from one to the next, by their video or by a refresh"""
MAX_VISITS = 2
"""visits of one URL on that way: a page may set a cookie and ask to be loaded again"""

ANY_BROWSER = ImpersonateTarget()


class SiteDownloader(YoutubeDL):  # type: ignore[misc]  # yt-dlp publishes no types
    """A YoutubeDL that keeps response headers, limits requests, and checks streams after their download."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.headers_by_url: dict[str, Any] = {}
        self.body_starts = body_checks.BodyStarts()
        self.final_urls: dict[str, str] = {}
        """by requested URL: the URL after redirects"""
        self.on_response: Callable[[str, Response], None] | None = None
        self.stall_seconds = float("inf")
        """without a byte of one body, after the extraction"""
        self.pace = RequestPace()
        self.wants_video = True
        self.on_list: Callable[[dict[str, Any]], bool] | None = None
        """called with a list that was found; whether it is dealt with, so that none of its videos is extracted"""
        self.other_videos: list[ListedVideo] = []
        """of the page, beside the first one, which is its video"""
        self.offered_formats: list[dict[str, Any]] = []
        """of the video that was found last"""
        self.list_is_cut = False
        """whether a list, or a page's videos, went on beyond what is read of its text"""
        self.on_thumbnail: Any = None
        self.last_debug_message = ""
        """after a failure of ffmpeg: its whole output"""
        self.first_failure: Exception | None = None
        """the exception of the first transfer that was given up"""
        self.site_waits = retry_after.SiteWaits()
        self.trail = ExtractionTrail()
        self.on_extractors: Callable[[list[str]], None] = lambda _: None
        """called before the first request, with the site's extractors"""
        self._extraction_timer: StallTimer | None = None
        self._is_transferring = False
        self._hops: list[tuple[str, str | None]] = []

    def start_extraction(self, stall_seconds: float) -> None:
        """Begins to add up the time without a byte. stall_seconds: after which the extraction has stalled."""
        self._extraction_timer = StallTimer(stall_seconds, spares_one=True)

    def end_extraction(self) -> None:
        """From now on each body has its own stall time. The worker watches them all."""
        self._extraction_timer = None

    def set_user_agent(self, user_agent: str) -> None:
        """Names another user agent in all requests, but those for which an extractor needs one of its own."""
        self.params["http_headers"]["User-Agent"] = user_agent
        for handler in self._request_director.handlers.values():  # each has a copy of them
            handler.headers["User-Agent"] = user_agent

    def impersonate_always(self, target: str = "") -> None:
        """Has all requests impersonate a browser, as yt-dlp names it; without a name, the one that yt-dlp prefers.

        Where this yt-dlp has no such browser, it is the same in another version, or else the one that yt-dlp prefers.
        The sites file was checked by the image's yt-dlp, and a bundle may have others.
        """
        handler = self._request_director.handlers[BrokeredCurlCFFIRH.RH_KEY]
        wanted = _parse_browser(target)
        choices = (wanted, ImpersonateTarget(wanted.client), ANY_BROWSER)
        handler.impersonate = next(filter(handler.is_supported_target, choices), ANY_BROWSER)

    def urlopen(self, req: Request | str) -> Response:
        request = Request(req) if isinstance(req, str) else req.copy()
        url = request.url
        request_limits.check_url(url)
        _limit_referer(request)
        cookies.withhold_values(request.headers, url)
        patient = PatientRequest(request, self._open_with_waits, self._timer_of(request))
        response = patient.open()
        response.read = self.body_starts.record_start(response.url, patient.read)
        if len(self.headers_by_url) < MAX_RECORDED:
            self.headers_by_url[url] = response.headers
            self.headers_by_url[response.url] = response.headers
            self.final_urls[url] = response.url
        self.trail.note_redirect(url, response.url)
        if self.on_response:
            self.on_response(url, response)
        return response

    def _timer_of(self, request: Request) -> StallTimer:
        if self._extraction_timer:
            return self._extraction_timer
        timer = StallTimer(self.stall_seconds)
        if self._is_transferring:
            return timer
        request.extensions.setdefault("timeout", timer.timeout)  # such as a thumbnail's, which can be done without
        return StallTimer()

    def _open_with_waits(self, request: Request) -> Response:
        """Opens a request. During a transfer, waits for a short Retry-After; a longer one is a JobFailure."""
        for waited in itertools.count():
            self.site_waits.sleep()
            try:
                with self.pace.keep():
                    return super().urlopen(request)
            except HTTPError as error:
                code = code_of_status(error.status)
                seconds = retry_after.parse_retry_after(error.response.headers, time.time())
                if not self._is_transferring or not seconds or not code.retryable:
                    raise
                error.close()
                if not self.site_waits.accept_wait(seconds, waited):
                    raise JobFailure(code, f"{error}, Retry-After {seconds:.0f} s") from error
        raise AssertionError

    def extract_info(self, url: str, *args: Any, **how: Any) -> Any:
        """Limits how often yt-dlp calls this method within itself, for each page that a page leads to."""
        hop = (url, how.get("ie_key"))
        if len(self._hops) >= MAX_HOPS or self._hops.count(hop) >= MAX_VISITS:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"pages lead to pages, or in a circle: {url[:200]}")
        self._hops.append(hop)
        try:
            return super().extract_info(url, *args, **how)
        finally:
            self._hops.pop()

    def _YoutubeDL__extract_info(self, url: str, ie: Any, download: Any, extra_info: Any, process: Any) -> Any:  # noqa: N802
        """Wraps yt-dlp's private method: only here is it known which extractor was chosen for a URL."""
        key = ie.ie_key()
        if not self.trail.steps:
            self.trail.extractors = () if key in EXTRACTORS_WITHOUT_IDS else extractors_of_same_site(ie)
            self.on_extractors([each.lower() for each in self.trail.extractors])
        self.trail.steps.append(ExtractionStep(url, key, is_described=not process))
        return super()._YoutubeDL__extract_info(url, ie, download, extra_info, process)

    def _YoutubeDL__process_playlist(self, ie_result: dict[str, Any], download: bool) -> Any:  # noqa: N802
        """Wraps yt-dlp's private method: only here is a list known as one, wherever pages led to it."""
        if self.on_list and self.on_list(ie_result):
            return ie_result
        return super()._YoutubeDL__process_playlist(ie_result, download)

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:
        check_formats(info_dict)
        file_extensions.set_extensions(info_dict, self.headers_by_url.get)
        if info_dict.get("formats"):
            info_dict["formats"] = without_unfit(info_dict["formats"])
            drm.check_drm(info_dict["formats"], video=self.wants_video)
            self.offered_formats = info_dict["formats"]
        return super().process_video_result(info_dict, download)

    def dl(self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False) -> Any:
        """Downloads one stream, and checks it before anything else reads it."""
        self._is_transferring = True
        try:
            done = super().dl(name, info, subtitle, test)
        finally:
            self._is_transferring = False
        if not subtitle and Path(name).is_file():
            body_checks.check_body(Path(name), info)
        return done

    def _forceprint(self, key: str, info_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - yt-dlp's signature
        """Does nothing: yt-dlp formats four tables here, seven times a video, even if none is printed."""
        return info_dict

    def write_debug(self, message: str, **_: Any) -> None:
        self.last_debug_message = message

    def _write_thumbnails(self, *args: Any, **kwargs: Any) -> Any:
        written = super()._write_thumbnails(*args, **kwargs)
        if written and self.on_thumbnail:
            self.on_thumbnail(written[0][0])
        return written


def _parse_browser(name: str) -> ImpersonateTarget:
    try:
        return ImpersonateTarget.from_str(name.lower())
    except ValueError:
        return ANY_BROWSER


def _limit_referer(request: Request) -> None:
    wanted = request.headers.get("Referer")
    if wanted:
        referer = limit_referer(wanted, request.url)
        if referer is None:
            del request.headers["Referer"]
        else:
            request.headers["Referer"] = referer
