"""Warms up yt-dlp in the zygote: sample pages and manifests are extracted once, so children start with full caches.

yt-dlp looks for the players of all its sites in every page: the first page costs the import of all their modules and
the compilation of 2,000 patterns, 1.5 CPU seconds. Nothing is fetched: the samples are below.
"""

import contextlib
import io
import re
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.downloader.hls import HlsFD
from yt_dlp.networking.common import Request, Response

PATTERN_CACHE_SIZE = 8192
"""Python caches 512 compiled patterns of re.search() and the like: the extractors alone have more."""
ORIGIN = "https://example.invalid"

_HEAD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="description" content="A page"><meta property="og:title" content="A page">
<meta property="og:image" content="https://example.invalid/a.jpg">{}</head><body>{}</body></html>"""
_PLAYER = _HEAD.format("", '<video poster="a.jpg"><source src="/clip.mp4" type="video/mp4" title="720p"></video>')
_HLS_PLAYER = _HEAD.format("", '<video><source src="/master.m3u8" type="application/x-mpegURL"></video>')
_DASH_PLAYER = _HEAD.format("", '<video src="/manifest.mpd"></video>')
_JWPLAYER = _HEAD.format("", '<script>jwplayer("a").setup({file: "/clip.mp4", title: "A clip"});</script>')
_OPEN_GRAPH = _HEAD.format('<meta property="og:video" content="https://example.invalid/clip.mp4">', "A text.")
_JSON_LD = _HEAD.format(
    """<script type="application/ld+json">{"@context": "https://schema.org", "@type": "VideoObject", "name": "A clip",
"contentUrl": "https://example.invalid/clip.mp4", "uploadDate": "2026-01-01T00:00:00Z", "duration": "PT1M"}</script>""",
    "A text.",
)
_EMPTY = _HEAD.format("", "A text.")
_MULTIVARIANT_PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,AUDIO="a",SUBTITLES="s"
media.m3u8
"""
_MEDIA_PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:4.0,
segment.ts
#EXT-X-ENDLIST
"""
_DASH_MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT8S"><Period>
<AdaptationSet mimeType="video/mp4"><SegmentTemplate timescale="1000" initialization="v.mp4" media="v-$Number$.m4s"
duration="4000"/><Representation id="v" bandwidth="900000" codecs="avc1.64001f" width="640" height="360"/>
</AdaptationSet><AdaptationSet mimeType="audio/mp4" lang="en"><SegmentTemplate timescale="1000" initialization="a.mp4"
media="a-$Number%05d$.m4s" duration="4000"/><Representation id="a" bandwidth="128000" codecs="mp4a.40.2"/>
</AdaptationSet></Period></MPD>
"""
_HTML, _HLS = "text/html; charset=utf-8", "application/vnd.apple.mpegurl"
_SAMPLES = {
    "/player": (_HTML, _PLAYER),
    "/hls-player": (_HTML, _HLS_PLAYER),
    "/dash-player": (_HTML, _DASH_PLAYER),
    "/jwplayer": (_HTML, _JWPLAYER),
    "/open-graph": (_HTML, _OPEN_GRAPH),
    "/json-ld": (_HTML, _JSON_LD),
    "/empty": (_HTML, _EMPTY),
    "/master.m3u8": (_HLS, _MULTIVARIANT_PLAYLIST),
    "/media.m3u8": (_HLS, _MEDIA_PLAYLIST),
    "/manifest.mpd": ("application/dash+xml", _DASH_MANIFEST),
    "/clip.mp4": ("video/mp4", ""),
}


def enlarge_pattern_cache() -> None:
    """Has Python keep all compiled patterns. Call this before the first one is compiled."""
    re._MAXCACHE = PATTERN_CACHE_SIZE  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public bound


def warm_up_extractors(ydl: Any) -> None:
    """Extracts each sample with this downloader, which can't be used for anything else afterwards."""
    ydl.urlopen = _answer_with_sample
    ydl.params["logger"] = _SilentLogger()
    for path in _SAMPLES:
        with contextlib.suppress(Exception):  # the page without a video raises; any other error only costs time later
            ydl.prepare_filename(ydl.extract_info(ORIGIN + path, download=False))
    HlsFD.can_download(_MEDIA_PLAYLIST, {})


def _answer_with_sample(request: Request | str) -> Response:
    url = request if isinstance(request, str) else request.url
    kind, text = _SAMPLES[urlsplit(url).path]
    headers = {"Content-Type": kind, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    return Response(io.BytesIO(text.encode()), url, headers)


class _SilentLogger:
    """A logger that discards everything."""

    def debug(self, _: str) -> None:
        """Discards the message."""

    warning = error = debug
