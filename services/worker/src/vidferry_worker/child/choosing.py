"""Which of a source's formats a request may have: no picture above its quality, and the main sound.

A quality is the picture's short side, as sites name it and as yt-dlp's `-S res:` counts it: 1080 is 1920 × 1080 and,
upright, 1080 × 1920. The selectors of options.py then choose by codecs alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Formats = list[dict[str, Any]]
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
    ranks = [_sound_rank(each) for each in formats if _is_sound(each)]
    return [each for each in formats if not _is_sound(each) or _sound_rank(each) == max(ranks)]


def _is_sound(stream: Mapping[str, Any]) -> bool:
    return stream.get("vcodec") == "none" and stream.get("acodec") != "none"


def _sound_rank(stream: Mapping[str, Any]) -> tuple[float, float]:
    """By language, then by what only says "alternate": yt-dlp marks that by a source_preference below zero."""
    language = stream.get("language_preference")
    return (-1 if language is None else language, min(stream.get("source_preference") or 0, 0))
