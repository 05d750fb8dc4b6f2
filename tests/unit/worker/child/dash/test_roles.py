"""Which of several tracks is the main one."""

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.dash_manifests import audio, role
from vidferry_worker.child.dash.elements import ElementIndex
from vidferry_worker.child.dash.roles import rank_formats, read_roles, role_preference


def told(head: str) -> frozenset[str]:
    return read_roles(ElementIndex(), ET.fromstring(audio("", head=head)))


def label(text: str) -> str:
    return f"<Label>{text}</Label>"


PURPOSE, HTML = "urn:tva:metadata:cs:AudioPurposeCS:2007", "about:html-kind"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (role("main") + role("1", "Accessibility", PURPOSE), {"main", "description"}),
        (role("2", "Accessibility", PURPOSE), {"enhanced-audio-intelligibility"}),
        (role("4", "Accessibility", PURPOSE), {"commentary"}),
        (role("6", "Accessibility", PURPOSE), set()),
        (role("1", "Accessibility", "urn:tva:metadata:cs:OtherCS:2007"), set()),
        (role("sign", "Accessibility"), {"sign"}),
        (role("main-desc", scheme=HTML), {"description"}),
        (role("translation", scheme=HTML), {"dub"}),
        (label("English - Audio Description"), {"description"}),
        (label("Director's commentary"), {"commentary"}),
        (label("English 5.1"), set()),
        (role("dub") + label("described by its dub"), {"dub"}),
        ("", set()),
    ],
)
def test_roles_by_whatever_scheme(head: str, expected: set[str]) -> None:
    assert told(head) == expected


@pytest.mark.parametrize("kind", ["audio", "video"])
@pytest.mark.parametrize("other", ["description", "sign", "commentary", "dub", "supplementary", "alternate"])
def test_what_is_beside_the_main_track_has_a_lower_place(other: str, kind: str) -> None:
    assert (
        role_preference(kind, frozenset({other}))
        < role_preference(kind, frozenset())
        <= role_preference(kind, frozenset({"main"}))
    )


def test_a_main_track_that_is_a_description_is_no_main_one() -> None:
    assert role_preference("audio", frozenset({"main", "description"})) < role_preference(
        "audio", frozenset({"alternate"})
    )
    assert role_preference("audio", frozenset({"main", "alternate"})) == role_preference("audio", frozenset({"main"}))


def of(kind: str, *words: str, language: str | None = None, priority: str | None = None) -> dict[str, Any]:
    """A format, as yt-dlp has it once it is joined with its track."""
    return {
        "dash_track": SimpleNamespace(kind=kind, roles=frozenset(words), priority=priority),
        "language": language, "format_note": "DASH",
    }  # fmt: skip


def test_what_is_beside_is_left_out_where_there_is_a_main_track_of_its_kind() -> None:
    sound, blind, dub = of("audio"), of("audio", "description"), of("audio", "dub")
    picture, signed = of("video"), of("video", "sign")

    assert rank_formats([blind, sound, dub, signed, picture]) == [sound, picture]
    assert rank_formats([blind, dub, picture]) == [blind, dub, picture]
    assert blind["format_note"] == "DASH, description"
    assert blind["language_preference"] < dub["language_preference"] < 0


def test_languages_rank_as_they_are_named_and_below_priorities() -> None:
    first, second, wished = of("audio", language="fr"), of("audio", language="en"), of("audio", priority="2")
    again = of("audio", language="fr")
    rank_formats([first, second, again, wished])
    ranks = [each.get("language_preference", -1) for each in (second, first, wished)]

    assert ranks == sorted(set(ranks))
    assert again.get("language_preference", -1) == first.get("language_preference", -1)


@pytest.mark.parametrize("priority", ["high", "-5", "", "9" * 5000])
def test_a_priority_of_nonsense_is_none(priority: str) -> None:
    odd = of("audio", priority=priority)

    assert rank_formats([odd])[0].get("language_preference") is None
