"""Texts of strangers: in logs of both forms, as titles and as files' names."""

import json
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from system.fuzz.target import TEXTS, VALUES, Check, Target
from vidferry_common import log
from vidferry_common.bucket import content_disposition
from vidferry_common.text import remove_controls
from vidferry_worker.upload.file_types import make_file_name

FORMATTERS = {form: log.make_formatter(form, "worker") for form in ("json", "text")}


@contextmanager
def _open() -> Iterator[Check]:
    yield _check


def _check(example: tuple[str, Any]) -> None:
    text, value = example
    record = logging.makeLogRecord({"name": text, "msg": "failed: %s", "args": (text,), "detail": value})
    for form, formatter in FORMATTERS.items():
        line = formatter.format(record)
        check_harmless(line)
        line.encode()
        assert form == "text" or isinstance(json.loads(line), dict)
    name = make_file_name(text, "mp4")
    check_harmless(remove_controls(text))
    check_harmless(name)
    assert "/" not in name
    assert "\\" not in name
    assert name.endswith(".mp4")
    check_harmless(content_disposition(name))


def check_harmless(text: str) -> None:
    """Nothing ends a line, moves a cursor or turns a text round."""
    for character in text:
        assert unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}, ascii(text)
        assert unicodedata.bidirectional(character) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI"}


TARGET = Target(st.tuples(TEXTS, VALUES), _open, round_size=100)
