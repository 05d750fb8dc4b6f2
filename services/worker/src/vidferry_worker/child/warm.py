"""Everything that each download would do anew, done once: imports, patterns, certificates, ffmpeg's features."""

import contextlib
from functools import cache
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.extractor import gen_extractor_classes, generic
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.networking.common import Request, Response
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from vidferry_common.contract.formats import AUDIO_CONTAINERS, VIDEO_CONTAINERS, Format, Quality
from vidferry_worker.child import options

MAX_RECORDED = 64

_loaded: "SiteDownloader | None" = None


class SiteDownloader(YoutubeDL):  # type: ignore[misc]  # yt-dlp publishes no types
    """YoutubeDL that remembers the headers of what it opened while extracting."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.headers_of: dict[str, Any] = {}
        self.on_thumbnails: Any = None

    def urlopen(self, req: Request | str) -> Response:
        response = super().urlopen(req)
        if len(self.headers_of) < MAX_RECORDED:
            self.headers_of[req if isinstance(req, str) else req.url] = response.headers
            self.headers_of[response.url] = response.headers
        return response

    def _forceprint(self, key: str, info_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - yt-dlp's signature
        """Nothing: yt-dlp draws four tables here, seven times a video, also where none is printed."""
        return info_dict

    def _write_thumbnails(self, *args: Any, **kwargs: Any) -> Any:
        written = super()._write_thumbnails(*args, **kwargs)
        if written and self.on_thumbnails:
            self.on_thumbnails(written[0][0])
        return written


def load() -> None:
    """To be called once, in the zygote."""
    global _loaded  # noqa: PLW0603 - what a fork hands on is a global by nature
    for extractor in gen_extractor_classes():
        with contextlib.suppress(Exception):  # one extractor's bad pattern is that extractor's problem
            extractor.suitable("https://example.invalid/")
    _loaded = SiteDownloader(options.base())
    _loaded.get_info_extractor(generic.GenericIE.ie_key())
    FFmpegPostProcessor(_loaded).get_versions_and_features()
    handlers = _loaded._request_director.handlers  # noqa: SLF001 - so they are built
    # The session reads the certificates, and connects to nothing until it is used.
    handlers[RequestsRH.RH_KEY]._get_instance(cookiejar=_loaded.cookiejar, legacy_ssl_support=None)  # noqa: SLF001
    for quality in Quality:
        for container in AUDIO_CONTAINERS if quality is Quality.AUDIO else VIDEO_CONTAINERS:
            selector(Format(quality=quality, container=container).canonical())
    _rehearse()


def _rehearse() -> None:
    """Has yt-dlp do with a video all that it does before it downloads: patterns are compiled at their first use."""
    with SiteDownloader(options.base()) as rehearsal:
        video = {"format_id": "0", "url": "https://example.invalid/clip.mp4", "ext": "mp4"}
        rehearsal.process_ie_result(
            {
                "id": "clip", "title": "clip", "formats": [video], "extractor": "generic", "extractor_key": "Generic",
                "webpage_url": video["url"], "webpage_url_basename": "clip.mp4",
                "webpage_url_domain": "example.invalid",
            },
            download=False,
        )  # fmt: skip


@cache
def selector(fmt: str) -> Any:
    """yt-dlp's chooser for a format, by its canonical spelling: made by a tokenizer that is slow to begin."""
    return downloader().build_format_selector(options.select(Format.parse(fmt)))


def downloader() -> SiteDownloader:
    """The one that load made; a child, which downloads one thing, may change it."""
    assert _loaded is not None
    return _loaded
