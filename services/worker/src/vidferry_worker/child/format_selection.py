"""Which of a source's formats a request may have: no picture above its quality, and the main sound.

A quality is the picture's short side, as sites name it and as yt-dlp's `-S res:` counts it: 1080 is 1920 × 1080 and,
upright, 1080 × 1920. The selectors of options.py then choose by codecs alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Formats = list[dict[str, Any]]
STEP = 1
"""by which a language_preference of another sound is lower, at least; less tells renditions of one apart"""
Selector = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


def short_side(stream: Mapping[str, Any]) -> float | None:
    """The lines of a picture, None where nothing tells them; of a width alone, as 16:9 has them."""
    width, height = stream.get("width") or 0, stream.get("height") or 0
    if width and height:
        return float(min(width, height))
    return float(height or width * 9 / 16) or None


def chooser(select: Selector, lines: int | None) -> Selector:
    """A yt-dlp selector, given only what has at most so many lines.

    Where nothing of that is what the selector wants, the smallest size above that is gives the formats, as in yt-dlp's
    `-S res:`: a quality alone never leaves a video without a format. Formats of untold size count as small enough.
    """

    def choose(context: dict[str, Any]) -> Formats:
        formats = context["formats"]
        main = with_main_sound(formats)
        return by_size(context, main) or (by_size(context, formats) if len(main) < len(formats) else [])

    def by_size(context: dict[str, Any], formats: Formats) -> Formats:
        if lines is None:
            return chosen(context, formats)
        return chosen(context, at_most(formats, lines)) or of_next_size(context, formats, lines)

    def of_next_size(context: dict[str, Any], formats: Formats, lines: int) -> Formats:
        larger = sorted({size for each in formats if (size := short_side(each)) and size > lines})
        first = bisect_left(larger, True, key=lambda size: bool(chosen(context, at_most(formats, size))))
        return chosen(context, at_most(formats, larger[first])) if first < len(larger) else []

    def chosen(context: dict[str, Any], formats: Formats) -> Formats:
        return list(select({**context, "formats": formats}))

    return choose


def at_most(formats: Formats, lines: float) -> Formats:
    return [each for each in formats if (short_side(each) or 0) <= lines]


def with_main_sound(formats: Formats) -> Formats:
    """All but sound that the source ranks below its main one, such as another language or a description.

    yt-dlp ranks by that before it compares codecs; a selector that asks for a codec would overrule it.
    """
    sounds = [each for each in formats if _is_sound(each)]
    if not sounds:
        return formats
    main = max(sounds, key=_rank)
    return [each for each in formats if not _is_sound(each) or _is_as_much_meant(each, main)]


def _is_sound(stream: Mapping[str, Any]) -> bool:
    return stream.get("vcodec") == "none" and stream.get("acodec") != "none"


def _rank(stream: Mapping[str, Any]) -> tuple[float, float]:
    """By what only says "alternate", which yt-dlp marks by a source_preference below zero, and by language."""
    language = stream.get("language_preference")
    return min(stream.get("source_preference") or 0, 0), -1 if language is None else language


def _is_as_much_meant(stream: Mapping[str, Any], main: Mapping[str, Any]) -> bool:
    """Whether a sound is the main one, or the same in another codec: of its language, and no whole step below it."""
    if _rank(stream) == _rank(main):
        return True
    (alternate, preference), (main_alternate, best) = _rank(stream), _rank(main)
    same_language = stream.get("language") == main.get("language")
    return same_language and alternate == main_alternate and best - preference < STEP
