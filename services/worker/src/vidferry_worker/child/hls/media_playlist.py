"""Rewrites a media playlist in the tags that yt-dlp's HlsFD reads, so that it fetches what a player would fetch.

By itself, yt-dlp fetches segments that are missing (EXT-X-GAP), gives up at a second EXT-X-MAP even of the same
section, counts the first one as a segment (and so decrypts fragmented MP4 with the wrong IV), and takes an I-frame
playlist, or a web page, for the video.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.durations import SkippedSegments
from vidferry_worker.child.hls.keys import KEY, Key, choose_key, refuse_flash_access
from vidferry_worker.child.hls.live_status import declares_end
from vidferry_worker.child.hls.tags import (
    EXTM3U,
    has_tag,
    is_media_playlist,
    parse_attributes,
    resolve_uri,
    tag_value,
    unsupported_stream,
    write_tag,
)

MAP, BYTE_RANGE, EXT_X_GAP, EXTINF = "#EXT-X-MAP", "#EXT-X-BYTERANGE", "#EXT-X-GAP", "#EXTINF"
DISCONTINUITY = "#EXT-X-DISCONTINUITY"
SEQUENCE, I_FRAMES_ONLY = "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-I-FRAMES-ONLY"
_RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")
_NUMBER = re.compile(r"\d{1,18}")


@dataclass(frozen=True)
class Section:
    """The byte range of a media segment or of a Media Initialization Section; without a length, a whole resource."""

    uri: str
    """absolute"""
    length: int | None = None
    offset: int = 0

    @property
    def resource(self) -> str:
        """The URI without its query, which may be a signature that differs for each segment."""
        return self.uri.partition("?")[0]


AreInterchangeable = Callable[[Section, Section], bool]
"""Whether two initialization sections are interchangeable"""


@dataclass(frozen=True)
class MediaPlaylist:
    """A rewritten media playlist."""

    text: str
    discontinuities: frozenset[int]
    """fragments after a discontinuity, by yt-dlp's numbers, which count the initialization section too"""


def rewrite_media_playlist(lines: list[str], url: str, is_same: AreInterchangeable) -> MediaPlaylist:
    """Rewrites the playlist at a URL; JobFailure where its segments can't be put into one file."""
    if not is_media_playlist(lines):
        _refuse_other_text(lines)
    writer = _PlaylistWriter(url, is_same)
    for line in lines:
        writer.read_line(line)
    if not writer.segments:
        raise _empty_playlist_failure(lines)
    return MediaPlaylist("\n".join([*writer.written, ""]), frozenset(writer.discontinuities))


def _refuse_other_text(lines: list[str]) -> None:
    if not lines or lines[0].startswith(EXTM3U):
        raise _empty_playlist_failure(lines)
    raise JobFailure(ErrorCode.ORIGIN_ERROR, "a page, or another text, came where a list of segments was named")


def _empty_playlist_failure(lines: list[str]) -> JobFailure:
    """The failure for a playlist without segments: a live one may get some later (§6.2.2)."""
    is_live = is_media_playlist(lines) and not declares_end(lines)
    return JobFailure(ErrorCode.LIVE if is_live else ErrorCode.UNSUPPORTED_STREAM, "the list names no segment")


class _PlaylistWriter:
    """Reads a playlist line by line, and writes the one for yt-dlp to `written`."""

    def __init__(self, url: str, is_same: AreInterchangeable) -> None:
        self.written: list[str] = []
        self.segments = 0
        self.discontinuities: set[int] = set()
        self._follows_discontinuity = False
        self._url, self._is_same = url, is_same
        self._sequence = self._ytdlp_sequence = 0
        """the next segment's media sequence number: the real one, and the one by yt-dlp's count"""
        self._key, self._written_key = Key(), Key()
        self._keys: list[str] = []
        """the EXT-X-KEY tags since the last segment"""
        self._map: tuple[Section, Key] | None = None
        self._written_map: Section | None = None
        self._previous_section: Section | None = None
        self._skipping = SkippedSegments()
        self._range = self._information = ""

    def read_line(self, line: str) -> None:
        """Takes the next line."""
        refuse_flash_access(line)
        is_left_out = self._skipping.ends_skipped_segment(line)
        if not line.startswith("#"):
            self._end_segment(line, is_left_out=is_left_out)
        elif has_tag(line, KEY):
            self._keys.append(line)
        elif has_tag(line, MAP):
            self._choose_key()
            self._map = self._read_map(line), self._key
        elif has_tag(line, BYTE_RANGE):
            self._range = tag_value(line)
        elif has_tag(line, EXTINF):
            self._information = line
        elif has_tag(line, SEQUENCE):
            self._start_at_sequence(tag_value(line))
        elif has_tag(line, I_FRAMES_ONLY):
            raise unsupported_stream("a list of I-frames")
        elif line != EXT_X_GAP:
            self._follows_discontinuity |= line == DISCONTINUITY
            self.written.append(line)

    def _start_at_sequence(self, number: str) -> None:
        found = _NUMBER.match(number)
        self._sequence = self._ytdlp_sequence = int(found[0]) if found else 0
        self.written.append(f"{SEQUENCE}:{self._sequence}")

    def _choose_key(self) -> None:
        if self._keys:
            self._key, self._keys = choose_key(self._keys), []

    def _read_map(self, line: str) -> Section:
        attributes = parse_attributes(line)
        if not attributes.get("URI"):
            raise unsupported_stream("an initialization section without address")
        return self._resolve_section(attributes["URI"], attributes.get("BYTERANGE", ""), None)

    def _resolve_section(self, uri: str, byte_range: str, previous: Section | None) -> Section:
        """The section of a URI; without an offset, it follows the previous one of the same resource (§4.3.2.2)."""
        url = resolve_uri(self._url, uri)
        if not byte_range:
            return Section(url)
        found = _RANGE.fullmatch(byte_range)
        if not found:
            raise unsupported_stream("a byte range that is none")
        follows = previous is not None and previous.resource == url.partition("?")[0]
        implied = previous.offset + (previous.length or 0) if previous and follows else 0
        return Section(url, int(found[1]), implied if found[2] is None else int(found[2]))

    def _end_segment(self, uri: str, *, is_left_out: bool) -> None:
        """Takes the URI of a segment, after its tags."""
        section = self._resolve_section(uri, self._range, self._previous_section)
        if not is_left_out:
            self._write_segment(section, uri)
        self._previous_section = section
        self._sequence += 1
        self._range = self._information = ""

    def _write_segment(self, section: Section, uri: str) -> None:
        self._choose_key()
        self._write_map()
        is_numbered = bool(self._key.uri) and not self._key.iv and self._sequence != self._ytdlp_sequence
        self._write_key(self._key.with_sequence_iv(self._sequence) if is_numbered else self._key)
        if self._information:
            self.written.append(self._information)
        if section.length is not None:
            self.written.append(f"{BYTE_RANGE}:{section.length}@{section.offset}")
        self.written.append(uri)
        self.segments += 1
        self._ytdlp_sequence += 1
        if self._follows_discontinuity:
            self.discontinuities.add(self.segments + (self._written_map is not None))
            self._follows_discontinuity = False

    def _write_map(self) -> None:
        """Writes the first initialization section that a segment needs; later ones have to be interchangeable."""
        if self._map is None:
            return
        section, key = self._map
        if self._written_map is None and not self.segments:
            self._write_key(key)
            byte_range = {"BYTERANGE": f"{section.length}@{section.offset}"} if section.length is not None else {}
            self.written.append(write_tag(MAP, {"URI": section.uri} | byte_range))
            self._written_map = section
            self._ytdlp_sequence += 1
        elif section != self._written_map:
            if self._written_map is None or not self._is_same(self._written_map, section):
                raise unsupported_stream("segments that need different initialization sections")
            self._written_map = section

    def _write_key(self, key: Key) -> None:
        if key != self._written_key:
            self.written.append(str(key))
            self._written_key = key
