"""Which identities a download may have: what the child says, and what the worker leaves of it."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from yt_dlp.extractor import get_info_extractor

from support.children import next_event, order
from support.hostile_children import attacking, hostile_zygote, outcome
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Reply, text
from support.zygotes import LOOPBACK
from vidferry_common.contract.identity import Identity, site_of
from vidferry_worker.child import site_extractors
from vidferry_worker.child.identity import ExtractionStep, ExtractionTrail, identify_video
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.extraction_results import complete_result
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.identity import TrustedFacts, limit_identity
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
TUBE = "https://www.youtube.com/watch?v=abc"
KNOWN = TrustedFacts(TUBE, {"youtube", "youtubetab"}, {"youtube.com", "googlevideo.com"})
OWN = Identity("youtube", "youtube.com", "abc")
LIST, WATCH = ExtractionStep(f"{TUBE}&list=x", "YoutubeTab"), ExtractionStep(TUBE, "Youtube")


def known(url: str = TUBE, **changes: Any) -> TrustedFacts:
    told = {"extractors": KNOWN.extractors, "sites": KNOWN.sites} | changes
    return TrustedFacts(url, **told)


def test_a_sites_own_id_counts_for_the_site() -> None:
    assert limit_identity(OWN, KNOWN) == OWN
    assert limit_identity(OWN, known("https://youtu.be/abc")) == OWN
    assert limit_identity(OWN, known(sites={"m.youtube.com"})) == OWN


@pytest.mark.parametrize(
    "knows",
    [
        known("https://evil.example/page"), known("https://evil.youtube.com/page"), known(extractors=()),
        known(extractors={"youtubetab"}), known(sites={"evil.example"}), known(sites={"notyoutube.com"}),
        known("https://www.youtube.com:8000/watch?v=abc"),
    ],
)  # fmt: skip
def test_any_other_counts_for_the_url_alone(knows: TrustedFacts) -> None:
    left = limit_identity(OWN, knows)

    assert (left.page, left.by_url) == (knows.url, False)
    assert left.folder() != OWN.folder()


def test_a_video_of_another_site_counts_for_the_url_alone() -> None:
    assert limit_identity(Identity("youtube", "vimeo.com", "1"), KNOWN) == Identity(
        "youtube", "youtube.com", "1", page=TUBE
    )


@pytest.mark.parametrize("kind", ["address", "page"])
@pytest.mark.parametrize(
    ("url", "told", "sites", "is_left"),
    [
        ("http://a.example/x", "https://www.a.example/y", {"a.example"}, True),
        ("http://a.example/x", "https://b.example/y", {"a.example", "b.example"}, False),
        ("http://a.example/x", "https://b.a.example/y", {"a.example", "b.a.example"}, False),
        ("http://a.example/x", "https://a.example:8000/y", {"a.example"}, False),
        ("http://a.example/x", "https://a.example/y", {"b.example"}, False),
        ("http://a.example/x", "https://a.example@b.example/y", {"a.example"}, False),
        ("http://a.example/x", "nonsense", {"a.example"}, False),
    ],
)
def test_pages_and_addresses_are_those_of_the_site(
    url: str, told: str, sites: set[str], is_left: bool, kind: str
) -> None:
    knows = TrustedFacts(url, (), sites)
    if kind == "address":
        assert limit_identity(Identity("any", "any", told, by_url=True), knows) == Identity.of_url(
            told if is_left else url
        )
    else:
        left = limit_identity(Identity("any", "any", "1", page=told), knows)
        assert left == Identity("any", "a.example", "1", page=told if is_left else url)


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
        extractor = get_info_extractor(key)
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


async def identity_of(zygote: Zygote, folder: Path, url: str) -> Identity:
    """What the worker makes of what a child tells."""
    child = await zygote.fork(folder)
    try:
        order(child, url)
        event = await next_event(child)
        return limit_identity(
            Identity(**event["identity"]), TrustedFacts(url, child.extractors, child.connections.sites)
        )
    finally:
        await child.close()


async def test_by_which_urls_a_site_with_ids_shares_its_videos(
    zygote: Zygote, origin: Origin, site: Site, tmp_path: Path
) -> None:
    name, video = uuid4().hex, site.url("/media/clip.mp4")
    own = f"{origin.address}/Mediasite/Play/{name}?{video}"
    leads = {
        "iframe": site.put("/iframe", text(f"<iframe src='{own}'></iframe>", "html")),
        "refresh": site.put("/refresh", text(f'<meta http-equiv="refresh" content="0; url={own}">', "html")),
        "redirect": site.put("/redirect", Reply(302, {"Location": own, "Content-Length": "0"})),
    }
    elsewhere = site.url("/elsewhere").replace("127.0.0.1", "localhost")
    away = origin.root.put(f"/Mediasite/Play/{uuid4().hex}", Reply(302, {"Location": elsewhere, "Content-Length": "0"}))
    service = f"<div id='ServicePath'>/mediasite-service/{video.replace('/', '%2F')}</div>"
    site.put("/elsewhere", text(service, "html"))

    found = await identity_of(zygote, tmp_path, own)
    assert (found.extractor, found.video_id, found.page) == ("mediasite", name, "")
    pages = {each: (await identity_of(zygote, tmp_path, url)).page for each, url in leads.items()}
    assert pages == {"iframe": leads["iframe"], "refresh": leads["refresh"], "redirect": own}
    assert (await identity_of(zygote, tmp_path, away)).page == away


async def test_what_a_child_says_of_its_extractors_once_it_may_have_read_something_is_nothing(
    worker_environment: pytest.MonkeyPatch, origin: Origin, tmp_path: Path
) -> None:
    async with hostile_zygote(LOOPBACK, Confinement(), tmp_path) as zygote:
        for attack, heard in (("naming_extractors", frozenset()), ("naming_extractors_first", frozenset({"youtube"}))):
            target = {"port": int(origin.address.rpartition(":")[2])}
            async with attacking(zygote, tmp_path / attack, attack, target) as child:
                assert (await outcome(child))["worked"]
                assert child.extractors == heard
                assert child.connections.sites == {f"127.0.0.1:{target['port']}"}
