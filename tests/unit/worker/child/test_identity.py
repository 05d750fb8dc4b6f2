"""How a child identifies a video: by its site's id, its page, or its address."""

import ast
from pathlib import Path

import pytest
import yt_dlp.extractor

from vidferry_common.contract.identity import Identity, site_of
from vidferry_worker.child import site_extractors
from vidferry_worker.child.identity import (
    EXTRACTORS_WITH_PARTIAL_IDS,
    EXTRACTORS_WITHOUT_IDS,
    ExtractionStep,
    ExtractionTrail,
    identify_video,
)
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.extraction_results import complete_result

TUBE = "https://www.youtube.com/watch?v=abc"
OWN = Identity("youtube", "youtube.com", "abc")
LIST, WATCH = ExtractionStep(f"{TUBE}&list=x", "YoutubeTab"), ExtractionStep(TUBE, "Youtube")


def trail(
    *steps: ExtractionStep, answers: dict[str, str] | None = None, extractors: tuple[str, ...] = ()
) -> ExtractionTrail:
    return ExtractionTrail(extractors or ("Youtube", "YoutubeTab"), list(steps), answers or {})


def test_a_site_that_leads_to_its_own_videos_names_them() -> None:
    for way in (trail(WATCH), trail(LIST, WATCH)):
        assert identify_video({"id": "abc", "extractor_key": "Youtube"}, way) == OWN


@pytest.mark.parametrize(
    "way",
    [
        trail(LIST, ExtractionStep("kaltura:1:2", "Kaltura")),
        trail(LIST, ExtractionStep("https://evil.example/", "Generic"), WATCH),
        trail(LIST, ExtractionStep("https://evil.example/watch", "Youtube")),
        trail(LIST, ExtractionStep("abc", "Youtube")),
        trail(LIST, ExtractionStep(TUBE, "Youtube", is_described=True)),
        trail(LIST, WATCH, answers={TUBE: "https://evil.example/"}),
    ],
    ids=["embed", "through-another", "another-host", "no-host", "described", "answered-elsewhere"],
)
def test_what_another_had_a_say_in_is_named_by_the_page(way: ExtractionTrail) -> None:
    found = identify_video({"id": "abc", "extractor_key": "Youtube"}, way)

    assert found.page
    assert found.domain == "youtube.com"


def test_what_an_extractor_finds_within_its_page_is_named_by_the_page() -> None:
    found = identify_video({"id": "abc", "extractor_key": "Kaltura"}, trail(WATCH))

    assert found == Identity("kaltura", "youtube.com", "abc", page=TUBE)
    assert identify_video({"id": "x", "extractor_key": "Generic"}, trail(WATCH)) == Identity.of_url(TUBE)


def test_what_a_sites_extractor_reads_from_a_page_as_any_page_is_named_by_its_address() -> None:
    read = complete_result({"id": "x", "url": "clip.mp4"}, Page.parse(TUBE, ""), "", "A title", None)

    assert identify_video({"extractor_key": "Youtube", **read}, trail(WATCH)) == Identity.of_url(TUBE)


@pytest.mark.parametrize(
    ("first", "second", "key", "video_id"),
    [
        ("https://t.me/one/613", "https://t.me/other/613", "TelegramEmbed", "613"),
        ("https://www.mdr.de/a/one100.html", "https://www.mdr.de/a/other100.html", "MDR", "100"),
        (
            "https://players.brightcove.net/1/default_default/index.html?videoId=ref:x",
            "https://players.brightcove.net/2/default_default/index.html?videoId=ref:x", "BrightcoveNew", "ref:x",
        ),
    ],
)  # fmt: skip
def test_an_id_within_a_part_of_a_site_counts_for_the_page(first: str, second: str, key: str, video_id: str) -> None:
    """Two channels', articles' or accounts' videos of one number or name."""

    def named(url: str) -> Identity:
        extractor = yt_dlp.extractor.get_info_extractor(key)
        assert extractor.suitable(url)
        way = ExtractionTrail(site_extractors.extractors_of_same_site(extractor), [ExtractionStep(url, key)])
        return identify_video({"id": video_id, "extractor_key": key}, way)

    assert named(first) == Identity(key.lower(), site_of(first), video_id, page=first)
    assert named(first).folder() != named(second).folder()


@pytest.mark.parametrize(
    ("second", "answered", "page"),
    [
        ("https://a.example/y", "https://a.example/y", "https://a.example/y"),
        ("https://a.example/y", "", "http://a.example/x"),
        ("https://b.example/y", "https://b.example/y", "http://a.example/x"),
    ],
    ids=["redirect", "meta-refresh", "redirect-elsewhere"],
)
def test_only_a_redirect_within_a_site_leads_to_another_address(second: str, answered: str, page: str) -> None:
    first = "http://a.example/x"
    way = trail(
        ExtractionStep(first, "Generic"),
        ExtractionStep(second, "Generic"),
        answers={first: answered},
        extractors=("-",),
    )

    assert identify_video({"id": "y", "extractor_key": "Generic"}, way) == Identity.of_url(page)


def classes_that_call(name: str) -> set[str]:
    """Extractors in whose body that method is called, by the key that yt-dlp gives them."""
    found = set()
    for path in Path(yt_dlp.extractor.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if f"{name}(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == name
                for call in ast.walk(node)
            ):
                found.add(node.name.removesuffix("IE"))
    return found


def test_all_extractors_that_make_an_id_of_a_base_name_are_identified_by_their_address() -> None:
    """An upgrade that adds one must be noticed."""
    assert classes_that_call("_generic_id") == EXTRACTORS_WITHOUT_IDS - {"QuotedHTML"}


def test_those_whose_ids_count_within_a_part_of_a_site_are_yt_dlps() -> None:
    assert {each.ie_key() for each in yt_dlp.extractor.gen_extractor_classes()} >= EXTRACTORS_WITH_PARTIAL_IDS
