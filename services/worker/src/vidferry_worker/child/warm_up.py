"""A page of each usual kind, and a list of each, extracted once in the zygote, so that no child does their groundwork.

yt-dlp looks for each of its sites' players in every page: the first page costs an import of all their modules and the
compilation of some 2,000 patterns, 1.5 CPU seconds. Nothing is fetched: the documents are here, and the zygote has no
network that it may use.
"""

import contextlib
import io
import re
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.downloader.hls import HlsFD
from yt_dlp.networking.common import Request, Response

KEPT_PATTERNS = 8192
"""Python keeps 512 of what re.search() and the like have compiled: fewer than the extractors alone have."""
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
_MASTER = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,AUDIO="a",SUBTITLES="s"
media.m3u8
"""
_MEDIA = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:4.0,
segment.ts
#EXT-X-ENDLIST
"""
_MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT8S"><Period>
<AdaptationSet mimeType="video/mp4"><SegmentTemplate timescale="1000" initialization="v.mp4" media="v-$Number$.m4s"
duration="4000"/><Representation id="v" bandwidth="900000" codecs="avc1.64001f" width="640" height="360"/>
</AdaptationSet><AdaptationSet mimeType="audio/mp4" lang="en"><SegmentTemplate timescale="1000" initialization="a.mp4"
media="a-$Number%05d$.m4s" duration="4000"/><Representation id="a" bandwidth="128000" codecs="mp4a.40.2"/>
</AdaptationSet></Period></MPD>
"""
_HTML, _HLS = "text/html; charset=utf-8", "application/vnd.apple.mpegurl"
_DOCUMENTS = {
    "/player": (_HTML, _PLAYER),
    "/hls-player": (_HTML, _HLS_PLAYER),
    "/dash-player": (_HTML, _DASH_PLAYER),
    "/jwplayer": (_HTML, _JWPLAYER),
    "/open-graph": (_HTML, _OPEN_GRAPH),
    "/json-ld": (_HTML, _JSON_LD),
    "/empty": (_HTML, _EMPTY),
    "/master.m3u8": (_HLS, _MASTER),
    "/media.m3u8": (_HLS, _MEDIA),
    "/manifest.mpd": ("application/dash+xml", _MANIFEST),
    "/clip.mp4": ("video/mp4", ""),
}


def keep_patterns() -> None:
    """To be called before anything is compiled that is to stay."""
    re._MAXCACHE = KEPT_PATTERNS  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public bound


def rehearse(ydl: Any) -> None:
    """Extracts each document with that downloader, which is of no use afterwards."""
    ydl.urlopen = _answer
    ydl.params["logger"] = _Mute()
    for path in _DOCUMENTS:
        with contextlib.suppress(Exception):  # the page without a video is one; any other costs a child time at most
            ydl.prepare_filename(ydl.extract_info(ORIGIN + path, download=False))
    HlsFD.can_download(_MEDIA, {})


def _answer(request: Request | str) -> Response:
    url = request if isinstance(request, str) else request.url
    kind, text = _DOCUMENTS[urlsplit(url).path]
    headers = {"Content-Type": kind, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    return Response(io.BytesIO(text.encode()), url, headers)


class _Mute:
    """A log that nobody reads."""

    def debug(self, _: str) -> None:
        """Says nothing."""

    warning = error = debug
