"""Limits yt-dlp's format selection to the requested quality, and to the main audio.

A quality is the shorter side of the video, as sites name it and as yt-dlp's `-S res:` counts it: 1080 is 1920 × 1080
and, upright, 1080 × 1920. The selectors of options.py then choose by codec alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Formats = list[dict[str, Any]]
PREFERENCE_STEP = 1
"""The language_preference of other audio is lower by at least this; a smaller difference is one of the same audio."""
Selector = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


def short_side(stream: Mapping[str, Any]) -> float | None:
    """The shorter side of a format's video in pixels, None where unknown. A width alone is taken for 16:9."""
    width, height = stream.get("width") or 0, stream.get("height") or 0
    if width and height:
        return float(min(width, height))
    return float(height or width * 9 / 16) or None


def limit_selector(select: Selector, lines: int | None) -> Selector:
    """Wraps a yt-dlp format selector so that it sees only formats of at most so many lines.

    Where it selects none of these, it gets those of the next larger size, as in yt-dlp's `-S res:`: a quality never
    leaves a video without a format. Formats of unknown size count as small enough.
    """

    def choose(context: dict[str, Any]) -> Formats:
        formats = context["formats"]
        main = with_main_audio(formats)
        return by_size(context, main) or (by_size(context, formats) if len(main) < len(formats) else [])

    def by_size(context: dict[str, Any], formats: Formats) -> Formats:
        if lines is None:
            return chosen(context, formats)
        return chosen(context, with_at_most_lines(formats, lines)) or of_next_size(context, formats, lines)

    def of_next_size(context: dict[str, Any], formats: Formats, lines: int) -> Formats:
        larger = sorted({size for each in formats if (size := short_side(each)) and size > lines})
        first = bisect_left(larger, True, key=lambda size: bool(chosen(context, with_at_most_lines(formats, size))))
        return chosen(context, with_at_most_lines(formats, larger[first])) if first < len(larger) else []

    def chosen(context: dict[str, Any], formats: Formats) -> Formats:
        return list(select({**context, "formats": formats}))

    return choose


def with_at_most_lines(formats: Formats, lines: float) -> Formats:
    return [each for each in formats if (short_side(each) or 0) <= lines]


def with_main_audio(formats: Formats) -> Formats:
    """All formats but audio that the source ranks below its main one, such as another language or a description.

    yt-dlp compares this rank before codecs; a selector that asks for a codec would overrule it.
    """
    audio = [each for each in formats if _is_audio(each)]
    if not audio:
        return formats
    main = max(audio, key=_rank_audio)
    return [each for each in formats if not _is_audio(each) or _is_main_audio(each, main)]


def _is_audio(stream: Mapping[str, Any]) -> bool:
    return stream.get("vcodec") == "none" and stream.get("acodec") != "none"


def _rank_audio(stream: Mapping[str, Any]) -> tuple[float, float]:
    """The rank of audio: alternates, which yt-dlp marks with a negative source_preference, are last; then languages."""
    language = stream.get("language_preference")
    return min(stream.get("source_preference") or 0, 0), -1 if language is None else language


def _is_main_audio(stream: Mapping[str, Any], main: Mapping[str, Any]) -> bool:
    """Whether audio is the main one, or the same in another codec: its language, and less than a step below it."""
    if _rank_audio(stream) == _rank_audio(main):
        return True
    (alternate, preference), (main_alternate, best) = _rank_audio(stream), _rank_audio(main)
    same_language = stream.get("language") == main.get("language")
    return same_language and alternate == main_alternate and best - preference < PREFERENCE_STEP
