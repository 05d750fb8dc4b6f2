"""Rewrites HLS playlists before yt-dlp's extractors and HlsFD read them.

By itself, yt-dlp knows no variables, chooses the main audio by the order of names, fetches segments that are marked as
missing, and gives up at a second EXT-X-MAP. With the patch, child/hls rewrites a playlist in the tags that it knows.
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
from vidferry_worker.child.hls.audio_renditions import DESCRIPTION_PREFERENCE
from vidferry_worker.child.hls.discontinuities import TimestampJoiner, is_interchangeable
from vidferry_worker.child.hls.keys import is_drm_protected
from vidferry_worker.child.hls.live_status import declares_end, has_lost_beginning
from vidferry_worker.child.hls.media_playlist import MAP, Section, rewrite_media_playlist
from vidferry_worker.child.hls.multivariant_playlist import rewrite_multivariant_playlist
from vidferry_worker.child.hls.variables import substitute_variables
from vidferry_worker.child.plain_playlists import Entry, find_first_entry

VARIABLES = "_hls_variables"
"""our own key in a format: the variables that the multivariant playlist defines for its media playlist"""
MAX_SECTIONS = 16
"""initialization sections of a playlist that are compared"""
MAX_SECTION_BYTES = 1024**2
_OF_NO_SITE = frozenset({"Generic", "HTML5MediaEmbed"})
"""yt-dlp's extractors that can't ask a site whether a video is live"""


def install() -> None:
    """Installs the patch, for all that yt-dlp reads as HLS."""
    _rewrite_multivariant_playlists()
    _rewrite_media_playlists()
    _widen_protection()


def _rewrite_multivariant_playlists() -> None:
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def parse_rewritten(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **options: Any) -> Any:
        if link := find_first_entry(m3u8_doc, m3u8_url or ""):
            return [_format_of_entry(link)], {}
        master = rewrite_multivariant_playlist(m3u8_doc, m3u8_url or "")
        formats, subtitles = parse(extractor, master.text, m3u8_url, *args, **options)
        if not (formats or subtitles) and isinstance(extractor, GenericIE) and options.get("fatal", True):
            raise tags.unsupported_stream("a list that names neither segments nor other lists")
        for each in formats:
            if master.variables:
                each[VARIABLES] = master.variables
            if each.get("vcodec") == "none" and each.get("language_preference") is None:
                each["language_preference"] = master.audio_preferences.get(str(each.get("url")))
        return _without_descriptions(formats), subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = parse_rewritten  # noqa: SLF001


def _without_descriptions(formats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out audio descriptions, if there is other audio: a selector for a codec might take one."""
    return [each for each in formats if each.get("language_preference") != DESCRIPTION_PREFERENCE] or formats


def _format_of_entry(link: Entry) -> dict[str, Any]:
    """The format of an entry of plain M3U."""
    ending = determine_ext(link.url)
    is_list = ending == "m3u8"
    return {"url": link.url, "ext": "mp4" if is_list else ending} | ({"protocol": "m3u8_native"} if is_list else {})


def _rewrite_media_playlists() -> None:
    download = HlsFD.real_download

    def download_rewritten(downloader: Any, filename: str, info: dict[str, Any]) -> Any:
        url, text = info["url"], info.get("hls_media_playlist_data")
        if not text:
            with downloader.ydl.urlopen(downloader._prepare_url(info, url)) as response:  # noqa: SLF001
                url, text = response.url, response.read().decode("utf-8", "ignore")
        lines, _ = substitute_variables(tags.split_lines(text), url, info.get(VARIABLES) or {})
        _refuse_live(lines, info)
        is_same = _InitializationSections(lambda section: _fetch_section(downloader.ydl, info, section)).are_same
        playlist = rewrite_media_playlist(lines, url, is_same)
        if playlist.discontinuities or MAP in playlist.text:
            joiner = TimestampJoiner(playlist.discontinuities)
            fetch = downloader.download_and_append_fragments
            downloader.download_and_append_fragments = partial(fetch, pack_func=joiner.rewrite_fragment)
        return download(downloader, filename, {**info, "url": url, "hls_media_playlist_data": playlist.text})

    HlsFD.real_download = download_rewritten


def _widen_protection() -> None:
    """Has yt-dlp recognize all DRM systems: it knows two, and calls the method of others unsupported."""
    knows = HlsFD._has_drm  # noqa: SLF001
    HlsFD._has_drm = staticmethod(lambda manifest: knows(manifest) or is_drm_protected(manifest))  # noqa: SLF001


def _refuse_live(lines: list[str], info: Mapping[str, Any]) -> None:
    """JobFailure for a live playlist, where no extractor of its site has checked that."""
    if info.get("extractor_key") in _OF_NO_SITE and has_lost_beginning(lines) and not declares_end(lines):
        raise JobFailure(ErrorCode.LIVE, "its list has lost its beginning, and has no end")


class _InitializationSections:
    """The initialization sections of one playlist, fetched when they have to be compared."""

    def __init__(self, fetch: Callable[[Section], bytes]) -> None:
        self._fetch = fetch
        self._known: dict[Section, bytes] = {}

    def are_same(self, one: Section, other: Section) -> bool:
        """Whether two sections are interchangeable, such as two URLs of one that differ in their signature."""
        return is_interchangeable(self._section_bytes(one), self._section_bytes(other))

    def _section_bytes(self, section: Section) -> bytes:
        if section not in self._known:
            if len(self._known) >= MAX_SECTIONS:
                raise tags.unsupported_stream(f"a list of more than {MAX_SECTIONS} initialization sections")
            self._known[section] = self._fetch(section)
        return self._known[section]


def _fetch_section(ydl: Any, info: Mapping[str, Any], section: Section) -> bytes:
    headers = dict(info.get("http_headers") or {})
    if section.length is not None:
        headers["Range"] = f"bytes={section.offset}-{section.offset + section.length - 1}"
    with ydl.urlopen(Request(section.uri, headers=headers)) as response:
        content: bytes = response.read(MAX_SECTION_BYTES + 1)
    if len(content) > MAX_SECTION_BYTES:
        raise tags.unsupported_stream("an initialization section that is too long")
    return content
