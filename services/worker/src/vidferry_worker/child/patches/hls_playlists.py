"""HLS lists with the tags that yt-dlp doesn't read, written anew in those that it does.

By itself yt-dlp (extractor/common.py, downloader/hls.py) knows no variables, tells the main sound of several by the
order of their names, asks for segments that are said to be missing, and gives up at a second EXT-X-MAP. The package
child/hls tells what is made of a list instead.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from yt_dlp.downloader.hls import HlsFD
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE
from yt_dlp.networking.common import Request
from yt_dlp.utils import determine_ext

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls import tags
from vidferry_worker.child.hls.audio_renditions import DESCRIPTION
from vidferry_worker.child.hls.discontinuities import Joiner, is_same_initialization
from vidferry_worker.child.hls.keys import is_protected
from vidferry_worker.child.hls.live_status import is_cut, says_its_end
from vidferry_worker.child.hls.media_playlist import MAP, Section, write_playlist
from vidferry_worker.child.hls.multivariant_playlist import write_master
from vidferry_worker.child.hls.variables import substitute
from vidferry_worker.child.plain_playlists import Link, first_link

VARIABLES = "_hls_variables"
"""the key of a format under which its list finds what the multivariant playlist has defined"""
MOST_SECTIONS = 16
"""initialization sections of a list that are compared"""
MOST_SECTION_BYTES = 1024**2
_OF_NO_SITE = frozenset({"Generic", "HTML5MediaEmbed"})
"""yt-dlp's extractors that ask nobody whether a video is live"""


def install() -> None:
    """From here on, in all that yt-dlp reads as HLS."""
    _rewrite_masters()
    _rewrite_playlists()
    _widen_protection()


def _rewrite_masters() -> None:
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def parse_rewritten(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **options: Any) -> Any:
        if link := first_link(m3u8_doc, m3u8_url or ""):
            return [_format_of(link)], {}
        master = write_master(m3u8_doc, m3u8_url or "")
        formats, subtitles = parse(extractor, master.text, m3u8_url, *args, **options)
        if not (formats or subtitles) and isinstance(extractor, GenericIE) and options.get("fatal", True):
            raise tags.unsupported("a list that names neither segments nor other lists")
        for each in formats:
            if master.variables:
                each[VARIABLES] = master.variables
            if each.get("vcodec") == "none" and each.get("language_preference") is None:
                each["language_preference"] = master.preferences.get(str(each.get("url")))
        return _without_descriptions(formats), subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = parse_rewritten  # noqa: SLF001


def _without_descriptions(formats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where there is a main sound: a choice by codec would take one for the blind that has the codec."""
    return [each for each in formats if each.get("language_preference") != DESCRIPTION] or formats


def _format_of(link: Link) -> dict[str, Any]:
    """The format of an M3U's entry, for extractors that lead nowhere else."""
    ending = determine_ext(link.address)
    is_list = ending == "m3u8"
    return {"url": link.address, "ext": "mp4" if is_list else ending} | ({"protocol": "m3u8_native"} if is_list else {})


def _rewrite_playlists() -> None:
    download = HlsFD.real_download

    def download_rewritten(downloader: Any, filename: str, info: dict[str, Any]) -> Any:
        address, text = info["url"], info.get("hls_media_playlist_data")
        if not text:
            with downloader.ydl.urlopen(downloader._prepare_url(info, address)) as response:  # noqa: SLF001
                address, text = response.url, response.read().decode("utf-8", "ignore")
        lines, _ = substitute(tags.split_lines(text), address, info.get(VARIABLES) or {})
        _refuse_live(lines, info)
        is_same = _Sections(lambda section: _fetch(downloader.ydl, info, section)).are_same
        playlist = write_playlist(lines, address, is_same)
        if playlist.discontinuities or MAP in playlist.text:
            joiner = Joiner(playlist.discontinuities)
            fetch = downloader.download_and_append_fragments
            downloader.download_and_append_fragments = partial(fetch, pack_func=joiner.join)
        return download(downloader, filename, {**info, "url": address, "hls_media_playlist_data": playlist.text})

    HlsFD.real_download = download_rewritten


def _widen_protection() -> None:
    """yt-dlp knows the key formats of two systems; of the others it would call the method unsupported."""
    knows = HlsFD._has_drm  # noqa: SLF001
    HlsFD._has_drm = staticmethod(lambda manifest: knows(manifest) or is_protected(manifest))  # noqa: SLF001


def _refuse_live(lines: list[str], info: Mapping[str, Any]) -> None:
    """JobFailure where the list of a page that yt-dlp has no extractor for is a live stream's: nobody looked at it."""
    if info.get("extractor_key") in _OF_NO_SITE and is_cut(lines) and not says_its_end(lines):
        raise JobFailure(ErrorCode.LIVE, "its list has lost its beginning, and has no end")


class _Sections:
    """Initialization sections of one list, fetched where they have to be compared."""

    def __init__(self, fetch: Callable[[Section], bytes]) -> None:
        self._fetch = fetch
        self._known: dict[Section, bytes] = {}

    def are_same(self, one: Section, other: Section) -> bool:
        """Whether one can stand for the other, as of an address that is signed anew each time."""
        return is_same_initialization(self._bytes(one), self._bytes(other))

    def _bytes(self, section: Section) -> bytes:
        if section not in self._known:
            if len(self._known) >= MOST_SECTIONS:
                raise tags.unsupported(f"a list of more than {MOST_SECTIONS} initialization sections")
            self._known[section] = self._fetch(section)
        return self._known[section]


def _fetch(ydl: Any, info: Mapping[str, Any], section: Section) -> bytes:
    headers = dict(info.get("http_headers") or {})
    if section.length is not None:
        headers["Range"] = f"bytes={section.offset}-{section.offset + section.length - 1}"
    with ydl.urlopen(Request(section.uri, headers=headers)) as response:
        content: bytes = response.read(MOST_SECTION_BYTES + 1)
    if len(content) > MOST_SECTION_BYTES:
        raise tags.unsupported("an initialization section that is too long")
    return content
