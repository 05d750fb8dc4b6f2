"""A multivariant playlist in the tags that yt-dlp reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vidferry_worker.child.hls.audio_renditions import MEDIA, VARIANT, Sounds
from vidferry_worker.child.hls.tags import has_tag, is_media_playlist, parse_attributes, split_lines, unsupported
from vidferry_worker.child.hls.variables import Variables, substitute

I_FRAMES = "#EXT-X-I-FRAME-STREAM-INF"
DURATION = "#EXT-X-TARGETDURATION"
MOST_ENTRIES = 10_000
"""lists that a multivariant playlist names: ten times as many as formats that a video may have"""


@dataclass(frozen=True)
class Master:
    """The text that yt-dlp gets for a multivariant playlist, and what it is to add to the formats that it makes."""

    text: str
    variables: Variables = field(default_factory=dict)
    preferences: Mapping[str, int] = field(default_factory=dict)
    """the language_preference of sounds, by the addresses of their lists"""


def write_master(text: str, address: str) -> Master:
    """The playlist of that address; one that names segments stays as it is, but is marked as such where it isn't."""
    lines = split_lines(text)
    if is_media_playlist(lines):
        is_marked = any(has_tag(line, DURATION) for line in lines)
        return Master(text if is_marked else "\n".join([*lines[:1], f"{DURATION}:1", *lines[1:], ""]))
    if max(_count(lines, VARIANT), _count(lines, MEDIA) + _count_addresses(lines)) > MOST_ENTRIES:
        raise unsupported(f"a playlist that names more than {MOST_ENTRIES} others")
    lines, variables = substitute(lines, address, {})
    lines = _without_i_frames(lines)
    sounds = Sounds(lines)
    written = sounds.rewrite(lines) if sounds else lines
    return Master("\n".join([*written, ""]), variables, sounds.preferences(address))


def _count(lines: list[str], tag: str) -> int:
    return sum(1 for line in lines if line.startswith(tag))


def _count_addresses(lines: list[str]) -> int:
    """Lines that are no tags: yt-dlp makes a format of each, also of several behind one tag."""
    return sum(1 for line in lines if not line.startswith("#"))


def _without_i_frames(lines: list[str]) -> list[str]:
    """Without the variants that are named as lists of I-frames too, as some packagers do."""
    passed_over = {parse_attributes(line).get("URI") for line in lines if has_tag(line, I_FRAMES)}
    written: list[str] = []
    for line in lines:
        if line not in passed_over:
            written.append(line)
        elif written and has_tag(written[-1], VARIANT):
            written.pop()
    return written
