"""Describes a video to the worker: what it is, its formats, and which of them a download would fetch."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vidferry_common.contract.formats import Container, Format
from vidferry_common.contract.probes import (
    MAX_CHAPTERS,
    MAX_FORMATS,
    MAX_SUBTITLES,
    Probe,
    ProbeChapter,
    ProbeChoice,
    ProbeFormat,
    ProbeSubtitles,
)
from vidferry_worker.child import probe_fields
from vidferry_worker.child.durations import fragments_duration
from vidferry_worker.child.found_event import title_of_video
from vidferry_worker.children.protocol import MAX_PIXELS, MAX_STREAMS, MAX_TITLE, MAX_YEARS, number_or_none

Info = Mapping[str, Any]
NO_SUBTITLES = frozenset({"live_chat", "danmaku", "comments"})
"""names under which extractors list what is said beside the video"""
_LIVE_SINCE = re.compile(r" \d{4}-\d\d-\d\d \d\d:\d\d$")
"""what yt-dlp appends to the title of a live stream"""


def describe_video(info: Info, streams: Sequence[Info], fmt: Format) -> Probe:
    """The probe of a video that yt-dlp has processed. streams: those that a download in the format would fetch."""
    formats = [each for each in info.get("formats") or [info] if _has_media(each)]
    subtitles = _list_subtitles(info)
    chapters = [each for each in info.get("chapters") or () if number_or_none(each.get("start_time")) is not None]
    is_live = bool(info.get("is_live")) or info.get("live_status") in {"is_live", "is_upcoming"}
    duration = None if is_live else _find_duration(info, streams)
    title = title_of_video(info)
    if info.get("is_live"):
        title = _LIVE_SINCE.sub("", title)
    return probe_fields.shorten(
        Probe(
            title=probe_fields.text(title, MAX_TITLE),
            uploader=probe_fields.text(info.get("uploader") or info.get("channel") or info.get("creator")),
            upload_date=probe_fields.date(info.get("upload_date")),
            duration=duration,
            live=is_live,
            age_limit=probe_fields.whole(info.get("age_limit"), MAX_YEARS),
            thumbnail=probe_fields.url(info.get("thumbnail")),
            formats=[_describe_format(each, duration) for each in formats[-MAX_FORMATS:]],
            subtitles=subtitles[:MAX_SUBTITLES],
            chapters=[_describe_chapter(each) for each in chapters[:MAX_CHAPTERS]],
            entries=[],
            entry_count=None,
            is_list=False,
            choice=_describe_choice(info, streams, fmt, duration) if streams else None,
            shortened=len(formats) > MAX_FORMATS or len(subtitles) > MAX_SUBTITLES or len(chapters) > MAX_CHAPTERS,
        )
    )


def _find_duration(info: Info, streams: Sequence[Info]) -> float | None:
    return number_or_none(info.get("duration")) or max(map(fragments_duration, streams), default=0) or None


def _has_media(stream: Info) -> bool:
    """Not for pictures of the timeline."""
    return not stream.get("vcodec") == stream.get("acodec") == "none"


def _describe_format(stream: Info, duration: float | None) -> ProbeFormat:
    size, is_estimated = _find_size(stream, duration)
    return ProbeFormat(
        id=probe_fields.text(stream.get("format_id")) or "",
        container=probe_fields.text(stream.get("ext")),
        video=stream.get("vcodec") != "none",
        audio=stream.get("acodec") != "none",
        width=probe_fields.whole(stream.get("width"), MAX_PIXELS),
        height=probe_fields.whole(stream.get("height"), MAX_PIXELS),
        fps=number_or_none(stream.get("fps")),
        video_codec=_codec(stream, "vcodec"),
        audio_codec=_codec(stream, "acodec"),
        bitrate=_bits_per_second(stream),
        size=size,
        size_estimated=is_estimated,
        language=probe_fields.text(stream.get("language")),
        dynamic_range=_dynamic_range(stream),
    )


def _describe_choice(info: Info, streams: Sequence[Info], fmt: Format, duration: float | None) -> ProbeChoice:
    picture = next((each for each in streams if each.get("vcodec") != "none"), {})
    sound = next((each for each in streams if each.get("acodec") != "none"), {})
    size, is_estimated = _add_sizes([_find_size(each, duration) for each in streams])
    return ProbeChoice(
        formats=[probe_fields.text(each.get("format_id")) or "" for each in streams[:MAX_STREAMS]],
        container=probe_fields.text(info.get("ext")) if fmt.container is Container.ANY else fmt.container.value,
        width=probe_fields.whole(picture.get("width"), MAX_PIXELS),
        height=probe_fields.whole(picture.get("height"), MAX_PIXELS),
        fps=number_or_none(picture.get("fps")),
        video_codec=_codec(picture, "vcodec"),
        audio_codec=_codec(sound, "acodec"),
        dynamic_range=_dynamic_range(picture) if picture else None,
        size=size,
        size_estimated=is_estimated,
    )


def _add_sizes(sizes: Sequence[tuple[int | None, bool]]) -> tuple[int | None, bool]:
    """The sum, and whether it is estimated. An unknown size is a sound's: HLS counts it with the picture's."""
    known = [size for size, _ in sizes if size is not None]
    if not known or sizes[0][0] is None:
        return None, False
    return probe_fields.whole(sum(known)), len(known) < len(sizes) or any(is_estimated for _, is_estimated in sizes)


def _find_size(stream: Info, duration: float | None) -> tuple[int | None, bool]:
    """Bytes of a stream, and whether they are estimated."""
    exact = probe_fields.whole(stream.get("filesize"))
    if exact:
        return exact, False
    bits = _bits_per_second(stream)
    estimate = probe_fields.whole(stream.get("filesize_approx")) or (
        probe_fields.whole(bits * duration / 8) if bits and duration else None
    )
    return estimate, estimate is not None


def _bits_per_second(stream: Info) -> int | None:
    kilobits = number_or_none(stream.get("tbr"))
    return probe_fields.whole(kilobits * 1000) if kilobits else None


def _codec(stream: Info, field: str) -> str | None:
    return None if stream.get(field) == "none" else probe_fields.text(stream.get(field))


def _dynamic_range(stream: Info) -> str | None:
    return None if stream.get("vcodec") == "none" else probe_fields.text(stream.get("dynamic_range"))


def _describe_chapter(chapter: Info) -> ProbeChapter:
    return ProbeChapter(
        title=probe_fields.text(chapter.get("title")),
        start=number_or_none(chapter.get("start_time")) or 0.0,
        end=number_or_none(chapter.get("end_time")),
    )


def _list_subtitles(info: Info) -> list[ProbeSubtitles]:
    """The subtitles of all languages: first those that people made."""
    return [
        ProbeSubtitles(language, probe_fields.text(files[0].get("name")), is_automatic, _file_types(files))
        for field, is_automatic in (("subtitles", False), ("automatic_captions", True))
        for named, files in (info.get(field) or {}).items()
        if named not in NO_SUBTITLES and files and (language := probe_fields.text(named))
    ]


def _file_types(files: Sequence[Info]) -> list[str]:
    types = [ending for each in files if (ending := probe_fields.text(each.get("ext")))]
    return list(dict.fromkeys(types))[:MAX_STREAMS]
