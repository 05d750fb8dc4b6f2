"""Parses the document of a probe, as a child sends it. Every number, text and list is bounded here, and the whole."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import orjson

from vidferry_common.contract.probes import (
    MAX_BYTES,
    MAX_CHAPTERS,
    MAX_ENTRIES,
    MAX_FORMATS,
    MAX_SUBTITLES,
    ListEntry,
    Probe,
    ProbeChapter,
    ProbeChoice,
    ProbeFormat,
    ProbeSubtitles,
)
from vidferry_common.text import remove_controls
from vidferry_worker.children.event_members import (
    InvalidEventError,
    read_flag,
    read_integer,
    read_number,
    read_optional_number,
    read_texts,
)
from vidferry_worker.children.protocol import (
    MAX_LISTED,
    MAX_NAME,
    MAX_PAGE_URL,
    MAX_PIXELS,
    MAX_STREAMS,
    MAX_TITLE,
    MAX_YEARS,
    Message,
    Probed,
)

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
T = TypeVar("T")


def parse_probed(message: Message) -> Probed:
    """The event with a probe's document; InvalidEventError."""
    probe = _parse_probe(_read_object(message, "probe"))
    if len(orjson.dumps(probe)) > MAX_BYTES:  # what is left out or short in the message is written out here
        raise InvalidEventError(f"its probe has more than {MAX_BYTES} bytes")
    return Probed(probe)


def _parse_probe(probe: Message) -> Probe:
    choice = probe.get("choice")
    return Probe(
        title=_read_name(probe, "title", MAX_TITLE),
        uploader=_read_name(probe, "uploader"),
        upload_date=_read_date(probe, "upload_date"),
        duration=read_optional_number(probe, "duration"),
        live=read_flag(probe, "live"),
        age_limit=_read_optional_integer(probe, "age_limit", MAX_YEARS),
        thumbnail=_read_url(probe, "thumbnail"),
        formats=_read_list(probe, "formats", MAX_FORMATS, _parse_format),
        subtitles=_read_list(probe, "subtitles", MAX_SUBTITLES, _parse_subtitles),
        chapters=_read_list(probe, "chapters", MAX_CHAPTERS, _parse_chapter),
        entries=_read_list(probe, "entries", MAX_ENTRIES, _parse_entry),
        entry_count=_read_optional_integer(probe, "entry_count", MAX_LISTED),
        is_list=read_flag(probe, "is_list"),
        choice=None if choice is None else _parse_choice(_read_object(probe, "choice")),
        shortened=read_flag(probe, "shortened"),
    )


def _parse_entry(entry: Message) -> ListEntry:
    """An entry of a list; InvalidEventError."""
    return ListEntry(
        index=read_integer(entry, "index", MAX_LISTED),
        url=_read_url(entry, "url"),
        title=_read_name(entry, "title", MAX_TITLE),
        duration=read_optional_number(entry, "duration"),
    )


def _parse_format(each: Message) -> ProbeFormat:
    return ProbeFormat(
        id=_read_name(each, "id") or "",
        container=_read_name(each, "container"),
        video=read_flag(each, "video"),
        audio=read_flag(each, "audio"),
        width=_read_optional_integer(each, "width", MAX_PIXELS),
        height=_read_optional_integer(each, "height", MAX_PIXELS),
        fps=read_optional_number(each, "fps"),
        video_codec=_read_name(each, "video_codec"),
        audio_codec=_read_name(each, "audio_codec"),
        bitrate=_read_optional_integer(each, "bitrate"),
        size=_read_optional_integer(each, "size"),
        size_estimated=read_flag(each, "size_estimated"),
        language=_read_name(each, "language"),
        dynamic_range=_read_name(each, "dynamic_range"),
    )


def _parse_choice(choice: Message) -> ProbeChoice:
    return ProbeChoice(
        formats=[_clean(name) for name in read_texts(choice, "formats", MAX_STREAMS, MAX_NAME)],
        container=_read_name(choice, "container"),
        width=_read_optional_integer(choice, "width", MAX_PIXELS),
        height=_read_optional_integer(choice, "height", MAX_PIXELS),
        fps=read_optional_number(choice, "fps"),
        video_codec=_read_name(choice, "video_codec"),
        audio_codec=_read_name(choice, "audio_codec"),
        dynamic_range=_read_name(choice, "dynamic_range"),
        size=_read_optional_integer(choice, "size"),
        size_estimated=read_flag(choice, "size_estimated"),
    )


def _parse_subtitles(each: Message) -> ProbeSubtitles:
    return ProbeSubtitles(
        language=_read_name(each, "language") or "",
        name=_read_name(each, "name"),
        automatic=read_flag(each, "automatic"),
        formats=[_clean(name) for name in read_texts(each, "formats", MAX_STREAMS, MAX_NAME)],
    )


def _parse_chapter(each: Message) -> ProbeChapter:
    return ProbeChapter(
        title=_read_name(each, "title"),
        start=read_number(each, "start"),
        end=read_optional_number(each, "end"),
    )


def _read_name(message: Message, name: str, most: int = MAX_NAME) -> str | None:
    """A text for people in one line; None where there is none. InvalidEventError."""
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most:
        raise InvalidEventError(f"{name} is no text of up to {most} characters")
    return _clean(value) or None


def _read_url(message: Message, name: str) -> str | None:
    """A URL of http or https; None where there is none. InvalidEventError."""
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_PAGE_URL or not value.startswith(("http://", "https://")):
        raise InvalidEventError(f"{name} is no URL of up to {MAX_PAGE_URL} characters")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidEventError(f"{name} has characters that no URL has")
    return value


def _clean(text: str) -> str:
    return remove_controls(text).strip()


def _read_date(message: Message, name: str) -> str | None:
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise InvalidEventError(f"{name} is no date")
    return value


def _read_optional_integer(message: Message, name: str, maximum: int | None = None) -> int | None:
    if message.get(name) is None:
        return None
    return read_integer(message, name) if maximum is None else read_integer(message, name, maximum)


def _read_object(message: Message, name: str) -> Message:
    value = message.get(name)
    if not isinstance(value, dict):
        raise InvalidEventError(f"{name} is no object")
    return value


def _read_list(message: Message, name: str, most: int, parse: Callable[[Message], T]) -> list[T]:
    value: Any = message.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, dict) for each in value):
        raise InvalidEventError(f"{name} is no list of up to {most} objects")
    return [parse(each) for each in value]
