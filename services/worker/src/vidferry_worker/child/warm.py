"""Everything that each download would otherwise do anew, done once: imports, URL patterns, ffmpeg's features."""

import contextlib
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.extractor import gen_extractor_classes, generic
from yt_dlp.networking.common import Request, Response
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from vidferry_worker.child import crashes, options

MAX_RECORDED = 64

_loaded: "SiteDownloader | None" = None


class SiteDownloader(YoutubeDL):  # type: ignore[misc]  # yt-dlp publishes no types
    """YoutubeDL that remembers the headers of what it opened while extracting, and what was said for debugging."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.headers_of: dict[str, Any] = {}
        self.on_thumbnails: Any = None
        self.said = ""
        """last: where ffmpeg has failed, all that it wrote"""

    def urlopen(self, req: Request | str) -> Response:
        response = super().urlopen(req)
        if len(self.headers_of) < MAX_RECORDED:
            self.headers_of[req if isinstance(req, str) else req.url] = response.headers
            self.headers_of[response.url] = response.headers
        return response

    def write_debug(self, message: str, **_: Any) -> None:
        self.said = message

    def _write_thumbnails(self, *args: Any, **kwargs: Any) -> Any:
        written = super()._write_thumbnails(*args, **kwargs)
        if written and self.on_thumbnails:
            self.on_thumbnails(written[0][0])
        return written


def load() -> None:
    """To be called once, in the zygote."""
    global _loaded  # noqa: PLW0603 - what a fork hands on is a global by nature
    crashes.tell()
    for extractor in gen_extractor_classes():
        with contextlib.suppress(Exception):  # one extractor's bad pattern is that extractor's problem
            extractor.suitable("https://example.invalid/")
    _loaded = SiteDownloader(options.base())
    _loaded.get_info_extractor(generic.GenericIE.ie_key())
    FFmpegPostProcessor(_loaded).get_versions_and_features()
    _ = _loaded._request_director  # noqa: SLF001 - builds the handlers and reads the certificates


def downloader() -> SiteDownloader:
    """The one that load made; a child, which downloads one thing, may change it."""
    assert _loaded is not None
    return _loaded
