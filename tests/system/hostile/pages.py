"""What the hostile origin serves: every way to make a downloader or ffmpeg read what it should not.

`{x}` in a path's query is where it aims: an address inwards, or a canary's file.
"""

import zlib
from collections.abc import Callable
from functools import cache
from html import escape
from urllib.parse import parse_qs, urlsplit

from support.origin import media
from system.hostile.names import INNER

MARK = b"CANARY-0d6f5a"
MP4, HTML, HLS, DASH = "video/mp4", "text/html; charset=utf-8", "application/vnd.apple.mpegurl", "application/dash+xml"
ENDLESS = "endless"
NAME = "../../../../tmp/x\x1b]0;y\x07\r\nSet-Cookie: a\u202e&#0;/etc"
ESCAPED = "../../../../tmp/escaped.mp4"
Page = tuple[str, bytes, dict[str, str]]


def canary_clip() -> bytes:
    """A video that plays, with the mark in it."""
    return media.read("clip.mp4") + media.free_box(64, MARK)


def _html(body: str, title: str = "A page") -> Page:
    return (
        HTML,
        f"<!DOCTYPE html><html><head><title>{title}</title>{body}</head><body>{body}</body></html>".encode(),
        {},
    )


def _meta(name: str, x: str) -> str:
    return f'<meta property="{name}" content="{escape(x)}">'


def _hls(lines: str) -> Page:
    head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return HLS, f"{head}{lines}\n#EXT-X-ENDLIST\n".encode(), {}


def _dash(base: str) -> Page:
    text = f"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">
<Period><AdaptationSet mimeType="video/mp4" contentType="video">
<Representation id="1" bandwidth="100000" width="640" height="360" codecs="avc1.42c01e">
<BaseURL>{escape(base)}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
    return DASH, text.encode(), {}


def _disguised(kind: str, x: str) -> Page:
    texts = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{x}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile {x}\n",
        "dash": _dash(x)[1].decode(),
        "sdp": f"v=0\r\no=- 0 0 IN IP4 {INNER}\r\ns=x\r\nc=IN IP4 {INNER}\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n",
    }
    return MP4, texts[kind].encode(), {}


@cache
def _bomb(start: bytes) -> bytes:
    """4 GB in 4 MB, of one gzip member: what is packed after a full flush needs nothing before it, so it repeats."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(b" " * 64 * 1024**2) + packer.flush(zlib.Z_FULL_FLUSH)) * 64


def _segment(x: str) -> Page:
    return _hls(f"#EXTINF:6,\n{x}")


PAGES: dict[str, Callable[[str], Page]] = {
    "/clip.mp4": lambda _: (MP4, media.read("clip.mp4"), {}),
    "/embed": lambda x: _html(f'<video src="{escape(x)}"></video>'),
    "/source": lambda x: _html(f'<video><source src="{escape(x)}" type="video/mp4"></video>'),
    "/og-video": lambda x: _html(_meta("og:type", "video") + _meta("og:video", x)),
    "/refresh": lambda x: _html(f'<meta http-equiv="refresh" content="0; url={escape(x)}">'),
    "/picture": lambda x: _html(_meta("og:image", x) + f'<video src="clip.mp4" poster="{escape(x)}"></video>'),
    "/variant.m3u8": lambda x: (HLS, f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n{x}\n".encode(), {}),
    "/segment.m3u8": _segment,
    "/key.m3u8": lambda x: _hls(f'#EXT-X-KEY:METHOD=AES-128,URI="{x}"\n#EXTINF:6,\nclip.mp4'),
    "/foreign-key.m3u8": lambda x: _hls(f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="clip.mp4"\n#EXTINF:6,\n{x}'),
    "/map.m3u8": lambda x: _hls(f'#EXT-X-MAP:URI="{x}"\n#EXTINF:6,\nclip.mp4'),
    "/base.mpd": _dash,
    "/disguised-hls.mp4": lambda x: _disguised("hls", x),
    "/disguised-ffconcat.mp4": lambda x: _disguised("ffconcat", x),
    "/disguised-dash.mp4": lambda x: _disguised("dash", x),
    "/disguised-sdp.mp4": lambda x: _disguised("sdp", x),
    "/disguised-segment.m3u8": lambda x: _hls(f"#EXTINF:6,\ndisguised-hls.mp4?x={x}"),
    "/redirect": lambda x: (HTML, b"", {"Location": x}),
    "/redirect-loop": lambda _: (HTML, b"", {"Location": "/redirect-loop"}),
    "/endless.mp4": lambda _: (MP4, media.read("clip.mp4"), {ENDLESS: ""}),
    "/endless": lambda _: (HTML, b"<!-- more -->" * 4096, {ENDLESS: ""}),
    "/endless.m3u8": lambda _: (HLS, b"#EXTM3U\n" + b"#EXT-X-PADDING\n" * 4096, {ENDLESS: ""}),
    "/bomb": lambda _: (HTML, _bomb(b"<!DOCTYPE html><html>"), {"Content-Encoding": "gzip"}),
    "/bomb.m3u8": lambda _: (HLS, _bomb(b"#EXTM3U\n"), {"Content-Encoding": "gzip"}),
    "/entries": lambda _: _html("".join(f'<video src="{number}.mp4"></video>' for number in range(100_000))),
    "/entries-inward": lambda x: _html("".join(f'<video src="{escape(x)}?{number}"></video>' for number in range(100))),
    "/name": lambda _: _html('<video src="named.mp4"></video>', NAME),
    "/named.mp4": lambda _: (MP4, media.read("clip.mp4"), {"Content-Disposition": f'attachment; filename="{ESCAPED}"'}),
    "/..%2f..%2f..%2ftmp%2fescaped.mp4": lambda _: (MP4, media.read("clip.mp4"), {}),
}  # fmt: skip


def page(target: str) -> Page | None:
    """What lies under a request's target; None where nothing does."""
    parts = urlsplit(target)
    make = PAGES.get(parts.path)
    return make(parse_qs(parts.query).get("x", [""])[0]) if make else None
