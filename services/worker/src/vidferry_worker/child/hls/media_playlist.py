"""A media playlist in the tags that yt-dlp reads (HlsFD), so that it asks for what a player would ask for.

By itself it asks for segments that the list says are missing (EXT-X-GAP), gives up at a second EXT-X-MAP even of the
same section, numbers segments wrongly after a first one (and so decrypts fragmented MP4 with the wrong IV), and takes
a list of I-frames, or a page, for the video.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.durations import Skipping
from vidferry_worker.child.hls.keys import KEY, Key, check_protection, choose_key
from vidferry_worker.child.hls.live_status import says_its_end
from vidferry_worker.child.hls.tags import (
    BEGINNING,
    has_tag,
    is_media_playlist,
    parse_attributes,
    resolve,
    tag_value,
    unsupported,
    write_tag,
)

MAP, BYTE_RANGE, GAP, INFORMATION = "#EXT-X-MAP", "#EXT-X-BYTERANGE", "#EXT-X-GAP", "#EXTINF"
DISCONTINUITY = "#EXT-X-DISCONTINUITY"
SEQUENCE, I_FRAMES_ONLY = "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-I-FRAMES-ONLY"
_RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")
_NUMBER = re.compile(r"\d{1,18}")


@dataclass(frozen=True)
class Section:
    """A resource or a part of it: a segment's or a Media Initialization Section's bytes."""

    uri: str
    """absolute"""
    length: int | None = None
    offset: int = 0

    @property
    def resource(self) -> str:
        """Without the query, which may be a signature that each segment has of its own."""
        return self.uri.partition("?")[0]


IsSame = Callable[[Section, Section], bool]
"""Whether two initialization sections can stand for each other"""


@dataclass(frozen=True)
class Playlist:
    """The media playlist that yt-dlp gets."""

    text: str
    discontinuities: frozenset[int]
    """the fragments that follow one, by yt-dlp's numbers, which count the initialization section too"""


def write_playlist(lines: list[str], address: str, is_same: IsSame) -> Playlist:
    """The playlist of that address for yt-dlp; JobFailure where it holds no video that can be put together."""
    if not is_media_playlist(lines):
        _refuse_other_text(lines)
    writer = _Writer(address, is_same)
    for line in lines:
        writer.read(line)
    if not writer.segments:
        raise _nothing_in(lines)
    return Playlist("\n".join([*writer.written, ""]), frozenset(writer.discontinuities))


def _refuse_other_text(lines: list[str]) -> None:
    if not lines or lines[0].startswith(BEGINNING):
        raise _nothing_in(lines)
    raise JobFailure(ErrorCode.ORIGIN_ERROR, "a page, or another text, came where a list of segments was named")


def _nothing_in(lines: list[str]) -> JobFailure:
    """The failure of a list that names no segment: a live stream may name some later (§6.2.2)."""
    is_live = is_media_playlist(lines) and not says_its_end(lines)
    return JobFailure(ErrorCode.LIVE if is_live else ErrorCode.UNSUPPORTED_STREAM, "the list names no segment")


class _Writer:
    """Reads a playlist line by line; `written` is what yt-dlp gets."""

    def __init__(self, address: str, is_same: IsSame) -> None:
        self.written: list[str] = []
        self.segments = 0
        self.discontinuities: set[int] = set()
        self._is_after_one = False
        self._address, self._is_same = address, is_same
        self._sequence = self._counted = 0
        """the next segment's number: as it is, and as yt-dlp counts"""
        self._key, self._written_key = Key(), Key()
        self._keys: list[str] = []
        """the EXT-X-KEY tags since the last segment"""
        self._map: tuple[Section, Key] | None = None
        self._written_map: Section | None = None
        self._last: Section | None = None
        self._skipping = Skipping()
        self._range = self._information = ""

    def read(self, line: str) -> None:
        """The next line."""
        check_protection(line)
        is_left_out = self._skipping.read(line)
        if not line.startswith("#"):
            self._end_segment(line, is_left_out=is_left_out)
        elif has_tag(line, KEY):
            self._keys.append(line)
        elif has_tag(line, MAP):
            self._take_key()
            self._map = self._read_map(line), self._key
        elif has_tag(line, BYTE_RANGE):
            self._range = tag_value(line)
        elif has_tag(line, INFORMATION):
            self._information = line
        elif has_tag(line, SEQUENCE):
            self._begin_at(tag_value(line))
        elif has_tag(line, I_FRAMES_ONLY):
            raise unsupported("a list of I-frames")
        elif line != GAP:
            self._is_after_one |= line == DISCONTINUITY
            self.written.append(line)

    def _begin_at(self, number: str) -> None:
        found = _NUMBER.match(number)
        self._sequence = self._counted = int(found[0]) if found else 0
        self.written.append(f"{SEQUENCE}:{self._sequence}")

    def _take_key(self) -> None:
        if self._keys:
            self._key, self._keys = choose_key(self._keys), []

    def _read_map(self, line: str) -> Section:
        attributes = parse_attributes(line)
        if not attributes.get("URI"):
            raise unsupported("an initialization section without address")
        return self._section(attributes["URI"], attributes.get("BYTERANGE", ""), None)

    def _section(self, uri: str, byte_range: str, previous: Section | None) -> Section:
        """Without an offset it begins where the one before it in the same resource ended (§4.3.2.2)."""
        address = resolve(self._address, uri)
        if not byte_range:
            return Section(address)
        found = _RANGE.fullmatch(byte_range)
        if not found:
            raise unsupported("a byte range that is none")
        follows = previous is not None and previous.resource == address.partition("?")[0]
        implied = previous.offset + (previous.length or 0) if previous and follows else 0
        return Section(address, int(found[1]), implied if found[2] is None else int(found[2]))

    def _end_segment(self, uri: str, *, is_left_out: bool) -> None:
        """The segment whose tags have been read."""
        section = self._section(uri, self._range, self._last)
        if not is_left_out:
            self._write_segment(section, uri)
        self._last = section
        self._sequence += 1
        self._range = self._information = ""

    def _write_segment(self, section: Section, uri: str) -> None:
        self._take_key()
        self._write_map()
        is_numbered = bool(self._key.uri) and not self._key.vector and self._sequence != self._counted
        self._write_key(self._key.numbered(self._sequence) if is_numbered else self._key)
        if self._information:
            self.written.append(self._information)
        if section.length is not None:
            self.written.append(f"{BYTE_RANGE}:{section.length}@{section.offset}")
        self.written.append(uri)
        self.segments += 1
        self._counted += 1
        if self._is_after_one:
            self.discontinuities.add(self.segments + (self._written_map is not None))
            self._is_after_one = False

    def _write_map(self) -> None:
        """The first initialization section that a segment needs; the others have to be the same."""
        if self._map is None:
            return
        section, key = self._map
        if self._written_map is None and not self.segments:
            self._write_key(key)
            byte_range = {"BYTERANGE": f"{section.length}@{section.offset}"} if section.length is not None else {}
            self.written.append(write_tag(MAP, {"URI": section.uri} | byte_range))
            self._written_map = section
            self._counted += 1
        elif section != self._written_map:
            if self._written_map is None or not self._is_same(self._written_map, section):
                raise unsupported("segments that need different initialization sections")
            self._written_map = section

    def _write_key(self, key: Key) -> None:
        if key != self._written_key:
            self.written.append(str(key))
            self._written_key = key
