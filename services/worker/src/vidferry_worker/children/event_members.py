"""Reads the members of a child's messages, which is not trusted: what is of another kind, or too large, is refused."""

import re

from vidferry_worker.children.protocol import NUMBER_LIMIT, Message

_WORD = re.compile(r"[A-Za-z0-9.+-]*")


class InvalidEventError(Exception):
    """A child has sent something that is no valid event."""


def read_text(message: Message, name: str, max_length: int) -> str:
    value = message.get(name)
    if not isinstance(value, str) or len(value) > max_length:
        raise InvalidEventError(f"{name} is no text of up to {max_length} characters")
    return value


def read_texts(message: Message, name: str, max_count: int, max_length: int) -> list[str]:
    value = message.get(name)
    if not isinstance(value, list) or len(value) > max_count:
        raise InvalidEventError(f"{name} is no list of up to {max_count}")
    if not all(isinstance(item, str) and len(item) <= max_length for item in value):
        raise InvalidEventError(f"one of {name} is no text of up to {max_length} characters")
    return value


def read_flag(message: Message, name: str) -> bool:
    value = message.get(name, False)
    if value is not True and value is not False:
        raise InvalidEventError(f"{name} is neither true nor false")
    return value


def read_integer(message: Message, name: str, maximum: int = NUMBER_LIMIT - 1) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= maximum:
        raise InvalidEventError(f"{name} is no whole number from 0 to {maximum}")
    return value


def read_integers(message: Message, name: str, max_count: int, maximum: int) -> list[int]:
    value = message.get(name)
    if not isinstance(value, list) or len(value) > max_count:
        raise InvalidEventError(f"{name} is no list of up to {max_count}")
    return [read_integer({name: item}, name, maximum) for item in value]


def read_word(message: Message, name: str, max_length: int) -> str:
    """A text that a person is told: nothing that a sentence or a page could take for its own."""
    value = read_text(message, name, max_length)
    if not _WORD.fullmatch(value):
        raise InvalidEventError(f"{name} has other characters than letters, digits and .+-")
    return value


def read_words(message: Message, name: str, max_count: int, max_length: int) -> list[str]:
    return [read_word({name: item}, name, max_length) for item in read_texts(message, name, max_count, max_length)]


def read_number(message: Message, name: str) -> float:
    value = read_optional_number(message, name)
    if value is None:
        raise InvalidEventError(f"{name} is missing")
    return value


def read_optional_number(message: Message, name: str) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    kind = type(value)  # not isinstance: a bool is an int
    if (kind is int or kind is float) and 0 <= value < NUMBER_LIMIT:
        return value  # type: ignore[no-any-return]
    raise InvalidEventError(f"{name} is no number from 0 to below {NUMBER_LIMIT}")
