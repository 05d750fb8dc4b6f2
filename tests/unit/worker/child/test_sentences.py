"""What a hundred sentences of yt-dlp's extractors mean. Each is looked for in the source of the pinned yt-dlp."""

import ast
import csv
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, UserNotLive

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.classify import classify_error

YDL = YoutubeDL({"quiet": True})
STATES, LOGIN, GEO, OFFLINE, BUG = "states", "raise_login_required", "raise_geo_restricted", "UserNotLive", "bug"
"""how an extractor raises a sentence: as an error that yt-dlp expects, by one of its methods, or as a bug"""

TABLE = Path(__file__).parent / "sentences.csv"
"""Sentences with the module of their extractor, how that raises them, their code, and what becomes of the download.

Braces hold what no source has: what the site itself says, as reports of yt-dlp's users quote it, or an id.
"""
ROWS = [tuple(row.values()) for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())]


@cache
def texts_in(module: str) -> str:
    """All texts in the source of an extractor's module."""
    source = inspect.getsource(import_module(f"yt_dlp.extractor.{module}"))
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return "\0".join(text for text in constants if isinstance(text, str))


def parts_in_source(sentence: str) -> list[str]:
    """The parts of a row's sentence outside of its braces."""
    return [part for each in sentence.split("{") if (part := each.partition("}")[2] if "}" in each else each).strip()]


class Extractor(InfoExtractor):  # type: ignore[misc]  # yt-dlp publishes no types
    """An extractor that raises what it is told to, at a URL that is named as if it said something."""

    _VALID_URL = r"https://site\.example/(?P<id>.+)"
    raises: Any

    def _real_extract(self, _: str) -> None:
        self.raises(self)


def raise_sentence(module: str, how: str, sentence: str) -> ExtractorError:
    """What extract() of such an extractor raises for that sentence."""
    extractor = Extractor(YDL)
    extractor.IE_NAME = module.partition(".")[0]
    extractor.raises = lambda ie: RAISED_BY[how](ie, sentence)
    with pytest.raises(ExtractorError) as raised:
        extractor.extract("https://site.example/private/removed-premium-captcha")
    return raised.value


def raise_error(error: Exception) -> None:
    raise error


RAISED_BY: dict[str, Any] = {
    STATES: lambda _, text: raise_error(ExtractorError(text, expected=True)),
    LOGIN: lambda ie, text: ie.raise_login_required(text),
    GEO: lambda ie, text: ie.raise_geo_restricted(text),
    OFFLINE: lambda _, text: raise_error(UserNotLive(text or None)),
    BUG: lambda _, text: raise_error(ExtractorError(text)),
}


@pytest.mark.parametrize(("module", "how", "sentence", "code", "outcome"), ROWS)
def test_a_sentence_of_an_extractor(module: str, how: str, sentence: str, code: str, outcome: str) -> None:
    missing = [part for part in parts_in_source(sentence) if part not in texts_in(module) + texts_in("common")]
    assert not missing, f"yt-dlp's {module} says it no more: {missing}. Look for what it says now."

    found = classify_error(raise_sentence(module, how, sentence.replace("{", "").replace("}", "")))
    assert (found, describe_outcome(found)) == (code, outcome)


def describe_outcome(code: ErrorCode) -> str:
    if not code.retryable:
        return "final"
    if code.parks_site:
        return "parks the site"
    return "tried again" if code.most_retries is None else "tried once more"


def test_the_table_has_a_hundred_sentences_of_the_sources_of_thirty_sites() -> None:
    of_sources = [row for row in ROWS if parts_in_source(row[2]) or row[1] == OFFLINE]

    assert len(of_sources) >= 100
    assert len({module.partition(".")[0] for module, *_ in of_sources}) >= 30
