"""Rewrites a multivariant playlist in the tags that yt-dlp reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vidferry_worker.child.hls.audio_renditions import MEDIA, VARIANT, AudioRenditions
from vidferry_worker.child.hls.tags import has_tag, is_media_playlist, parse_attributes, split_lines, unsupported_stream
from vidferry_worker.child.hls.variables import Variables, substitute_variables

I_FRAMES = "#EXT-X-I-FRAME-STREAM-INF"
TARGETDURATION = "#EXT-X-TARGETDURATION"
MAX_ENTRIES = 10_000
"""playlists in a multivariant playlist: ten times as many as the formats that a video may have"""


@dataclass(frozen=True)
class MultivariantPlaylist:
    """A rewritten multivariant playlist, and what to add to the formats that yt-dlp makes of it."""

    text: str
    variables: Variables = field(default_factory=dict)
    audio_preferences: Mapping[str, int] = field(default_factory=dict)
    """the language_preference of audio renditions, by the URLs of their playlists"""


def rewrite_multivariant_playlist(text: str, url: str) -> MultivariantPlaylist:
    """Rewrites the playlist at a URL. A media playlist only gets an EXT-X-TARGETDURATION if it has none."""
    lines = split_lines(text)
    if is_media_playlist(lines):
        is_marked = any(has_tag(line, TARGETDURATION) for line in lines)
        return MultivariantPlaylist(
            text if is_marked else "\n".join([*lines[:1], f"{TARGETDURATION}:1", *lines[1:], ""])
        )
    if max(_count_tags(lines, VARIANT), _count_tags(lines, MEDIA) + _count_urls(lines)) > MAX_ENTRIES:
        raise unsupported_stream(f"a playlist that names more than {MAX_ENTRIES} others")
    lines, variables = substitute_variables(lines, url, {})
    lines = _without_i_frames(lines)
    renditions = AudioRenditions(lines)
    written = renditions.put_main_first(lines) if renditions else lines
    return MultivariantPlaylist("\n".join([*written, ""]), variables, renditions.preferences_by_url(url))


def _count_tags(lines: list[str], tag: str) -> int:
    return sum(1 for line in lines if line.startswith(tag))


def _count_urls(lines: list[str]) -> int:
    """Lines that are not tags: yt-dlp makes a format of each, even of several after one tag."""
    return sum(1 for line in lines if not line.startswith("#"))


def _without_i_frames(lines: list[str]) -> list[str]:
    """Leaves out variants that are also listed as I-frame playlists, as some packagers do."""
    passed_over = {parse_attributes(line).get("URI") for line in lines if has_tag(line, I_FRAMES)}
    written: list[str] = []
    for line in lines:
        if line not in passed_over:
            written.append(line)
        elif written and has_tag(written[-1], VARIANT):
            written.pop()
    return written
