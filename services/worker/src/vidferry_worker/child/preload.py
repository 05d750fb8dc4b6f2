"""Everything that each download would do anew, done once: imports, patterns, certificates, ffmpeg's features."""

import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.extractor import gen_extractor_classes, generic
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import AUDIO_CONTAINERS, VIDEO_CONTAINERS, Format, Quality
from vidferry_worker.child import body_checks, drm, format_selection, options, retry_after, warm_up
from vidferry_worker.child.classify import code_of_status
from vidferry_worker.child.dash.period_merging import without_unfit
from vidferry_worker.child.identity import (
    EXTRACTORS_WITH_PARTIAL_IDS,
    EXTRACTORS_WITHOUT_IDS,
    ExtractionStep,
    ExtractionTrail,
)
from vidferry_worker.child.page.context import limit_referer
from vidferry_worker.child.page_limits import check_formats
from vidferry_worker.child.patches import (
    block_size,
    body_resumption,
    dash_durations,
    dash_fragments,
    dash_manifest,
    download_retries,
    embed_search,
    ffmpeg_crash,
    ffmpeg_downloads,
    file_extensions,
    fragment_content,
    fragment_keys,
    generic_embeds,
    generic_feeds,
    generic_json_ld,
    generic_referers,
    generic_titles,
    hls_audio_codecs,
    hls_live,
    hls_playlists,
    hls_separate_audio,
    html5_players,
    ism_manifest,
    page_limits,
    plain_playlists,
    response_heads,
    smuggled_data,
    truncated_fragments,
)
from vidferry_worker.child.stall_timer import StallTimer

MAX_RECORDED = 64
MAX_URL = 32 * 1024
"""characters: signed ones of segments have a few thousand"""
MAX_PAGE_BYTES = 64 * 1024**2
"""bytes: a list of segments for twelve hours has up to 20 million"""
READ_SIZE = 1024**2
MAX_HOPS = 10
"""from page to page, each of which names the next as its video or by a refresh"""
MAX_VISITS = 2
"""of one address on that way: a page may set a cookie and ask to be loaded again"""
SCHEMES = frozenset({"http", "https"})
PATCHES = (
    ffmpeg_crash, ffmpeg_downloads, block_size, page_limits, hls_separate_audio, dash_durations, body_resumption,
    truncated_fragments, dash_manifest, dash_fragments, download_retries, fragment_content, fragment_keys,
    generic_embeds, generic_feeds, generic_json_ld, generic_referers, generic_titles, hls_audio_codecs, hls_playlists,
    hls_live, html5_players, ism_manifest, plain_playlists, file_extensions, response_heads, smuggled_data,
)  # fmt: skip
"""those of every download, in the order in which they are installed: each stands around those before it"""

_loaded: "SiteDownloader | None" = None


class SiteDownloader(YoutubeDL):  # type: ignore[misc]  # yt-dlp publishes no types
    """YoutubeDL that remembers the headers of what it opened while extracting, and what was said for debugging."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.headers_by_url: dict[str, Any] = {}
        self.body_starts = body_checks.BodyStarts()
        self.final_urls: dict[str, str] = {}
        """by address: the one that it led to"""
        self.on_response: Callable[[str, Response], None] | None = None
        self.stall_timer = StallTimer()
        self.wants_video = True
        self.on_thumbnail: Any = None
        self.last_debug_message = ""
        """last: where ffmpeg has failed, all that it wrote"""
        self.first_failure: Exception | None = None
        """on the first transfer that was: why"""
        self.site_waits = retry_after.SiteWaits()
        self.trail = ExtractionTrail()
        self.on_extractors: Callable[[list[str]], None] = lambda _: None
        """called before anything is asked for, with what the trail knows then"""
        self._is_transferring = False
        self._hops: list[tuple[str, str | None]] = []

    def urlopen(self, req: Request | str) -> Response:
        request = Request(req) if isinstance(req, str) else req
        address = request.url
        _check_url(address)
        _limit_referer(request)
        request.extensions.setdefault("timeout", self.stall_timer.timeout)
        response = self._open_patiently(request)
        response.read = self.body_starts.record_start(
            response.url, limit_read(self.stall_timer.time_wait()(response.read))
        )
        if len(self.headers_by_url) < MAX_RECORDED:
            self.headers_by_url[address] = response.headers
            self.headers_by_url[response.url] = response.headers
            self.final_urls[address] = response.url
        self.trail.note_redirect(address, response.url)
        if self.on_response:
            self.on_response(address, response)
        return response

    def _open_patiently(self, request: Request) -> Response:
        """Waits where the site asks for a moment in the middle of a transfer, and asks it nothing more for longer."""
        for waited in itertools.count():
            self.site_waits.sleep()
            try:
                with self.stall_timer.time_wait():
                    return super().urlopen(request)
            except HTTPError as error:
                code, seconds = (
                    code_of_status(error.status),
                    retry_after.parse_retry_after(error.response.headers, time.time()),
                )
                if not self._is_transferring or not seconds or not code.retryable:
                    raise
                error.close()
                if not self.site_waits.accept_wait(seconds, waited):
                    raise JobFailure(code, f"{error}, Retry-After {seconds:.0f} s") from error
        raise AssertionError

    def extract_info(self, url: str, *args: Any, **how: Any) -> Any:
        """As yt-dlp's, which calls it within itself for each page that a page leads to."""
        hop = (url, how.get("ie_key"))
        if len(self._hops) >= MAX_HOPS or self._hops.count(hop) >= MAX_VISITS:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"pages lead to pages, or in a circle: {url[:200]}")
        self._hops.append(hop)
        try:
            return super().extract_info(url, *args, **how)
        finally:
            self._hops.pop()

    def _YoutubeDL__extract_info(self, url: str, ie: Any, download: Any, extra_info: Any, process: Any) -> Any:  # noqa: N802
        """As yt-dlp's own, which is private: here alone it is known which extractor was chosen for a URL."""
        key = ie.ie_key()
        if not self.trail.steps:
            self.trail.extractors = () if key in EXTRACTORS_WITHOUT_IDS else extractors_of_same_site(ie)
            self.on_extractors([each.lower() for each in self.trail.extractors])
        self.trail.steps.append(ExtractionStep(url, key, is_described=not process))
        return super()._YoutubeDL__extract_info(url, ie, download, extra_info, process)

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:
        check_formats(info_dict)
        file_extensions.set_extensions(info_dict, self.headers_by_url.get)
        if info_dict.get("formats"):
            info_dict["formats"] = without_unfit(info_dict["formats"])
            drm.check_drm(info_dict["formats"], picture=self.wants_video)
        return super().process_video_result(info_dict, download)

    def dl(self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False) -> Any:
        """Downloads one stream, and looks at what has come before anything else does."""
        self._is_transferring = True
        try:
            done = super().dl(name, info, subtitle, test)
        finally:
            self._is_transferring = False
        if not subtitle and Path(name).is_file():
            body_checks.check_body(Path(name), info)
        return done

    def _forceprint(self, key: str, info_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - yt-dlp's signature
        """Nothing: yt-dlp draws four tables here, seven times a video, also where none is printed."""
        return info_dict

    def write_debug(self, message: str, **_: Any) -> None:
        self.last_debug_message = message

    def _write_thumbnails(self, *args: Any, **kwargs: Any) -> Any:
        written = super()._write_thumbnails(*args, **kwargs)
        if written and self.on_thumbnail:
            self.on_thumbnail(written[0][0])
        return written


def _extractor_module(extractor: Any) -> str:
    """The module of yt-dlp's that an extractor is from, which holds all those of one site."""
    name = getattr(extractor, "_module", None) or extractor.__module__
    return ".".join(name.split(".")[:3])


def extractors_of_same_site(extractor: Any) -> Collection[str]:
    """Keys of those of its module that name videos by ids which no other video of the site has."""
    return _keys_by_module()[_extractor_module(extractor)]


@cache
def _keys_by_module() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for each in gen_extractor_classes():
        if each.ie_key() not in EXTRACTORS_WITHOUT_IDS | EXTRACTORS_WITH_PARTIAL_IDS:
            found[_extractor_module(each)].add(each.ie_key())
    return found


def _check_url(address: str) -> None:
    """TransportError, as of an address that can't be reached, so that a picture's does not end its video's download.

    yt-dlp would also read data: and ftp:, and a manifest may name any.
    """
    scheme = urlsplit(address).scheme.lower()
    if scheme not in SCHEMES or len(address) > MAX_URL:
        failure = JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"an address of {len(address)} characters: {address[:100]}")
        raise TransportError(cause=failure)


def _limit_referer(request: Request) -> None:
    told = request.headers.get("Referer")
    if told:
        referer = limit_referer(told, request.url)
        if referer is None:
            del request.headers["Referer"]
        else:
            request.headers["Referer"] = referer


def limit_read(read: Callable[..., bytes]) -> Callable[..., bytes]:
    """A response's read() that gives up what is read whole and does not end: a page, a manifest, a key.

    It counts bytes as they are after decompression.
    """

    def read_bounded(amount: int | None = None) -> bytes:
        if amount is not None:
            return read(amount)
        whole = bytearray()
        while piece := read(READ_SIZE):
            whole += piece
            if len(whole) > MAX_PAGE_BYTES:
                raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "a page or a manifest does not end")
        return bytes(whole)

    return read_bounded


def load_downloader() -> None:
    """To be called once, in the zygote."""
    global _loaded  # noqa: PLW0603 - what a fork hands on is a global by nature
    warm_up.enlarge_pattern_cache()
    for patch in PATCHES:
        patch.install()
    for extractor in gen_extractor_classes():
        with contextlib.suppress(Exception):  # one extractor's bad pattern is that extractor's problem
            extractor.suitable("https://example.invalid/")
    _keys_by_module()
    _loaded = SiteDownloader(options.base_options())
    _loaded.get_info_extractor(generic.GenericIE.ie_key())
    FFmpegPostProcessor(_loaded).get_versions_and_features()
    handlers = _loaded._request_director.handlers  # noqa: SLF001 - so they are built
    # The session reads the certificates, and connects to nothing until it is used.
    handlers[RequestsRH.RH_KEY]._get_instance(cookiejar=_loaded.cookiejar, legacy_ssl_support=None)  # noqa: SLF001
    for quality in Quality:
        for container in AUDIO_CONTAINERS if quality is Quality.AUDIO else VIDEO_CONTAINERS:
            format_selector_for(Format(quality=quality, container=container).canonical())
    with SiteDownloader(options.base_options()) as rehearsing:
        warm_up.warm_up_extractors(rehearsing)
    embed_search.install(_loaded)


@cache
def format_selector_for(fmt: str) -> Any:
    """yt-dlp's chooser for a format, by its canonical spelling: made by a tokenizer that is slow to begin."""
    asked = Format.parse(fmt)
    return format_selection.limit_selector(
        loaded_downloader().build_format_selector(options.format_selector(asked)), asked.quality.lines
    )


def loaded_downloader() -> SiteDownloader:
    """The one that load made; a child, which downloads one thing, may change it."""
    assert _loaded is not None
    return _loaded
