"""Nothing that a page says makes a download reach inwards; where the broker's refusals are off, it does."""

from urllib.parse import quote

import pytest

from system.hostile.island import Island, Result

pytestmark = [pytest.mark.hostile, pytest.mark.xdist_group("hostile")]
SPELLINGS = [
    "127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "169.254.169.254",
    "evil.example@169.254.169.254", "evil.example:80@127.0.0.1", "10.0.0.7", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "198.18.0.1", "inner.example", "inner.example.", "INNER.example", "loop.example", "mapped.example",
]  # fmt: skip
# Not addresses to a resolver, whoever asks.
NOWHERE = ["169.254.169.254.", "127.0.0.1%00.example", "metadata\u3002google"]
INNER = quote("http://169.254.169.254/clip.mp4")
PATHS = [
    "embed", "source", "og-video", "refresh", "variant.m3u8", "segment.m3u8", "key.m3u8", "map.m3u8", "base.mpd",
    "redirect", "entries-inward",
]  # fmt: skip


def refused(found: Result) -> None:
    assert found.code == "forbidden_address", found
    untouched(found)


def untouched(found: Result) -> None:
    assert (found.hits, found.marked, found.running) == ([], [], True), found


@pytest.mark.parametrize("host", SPELLINGS)
def test_an_inner_address_in_every_spelling(host: str, guarded: Island) -> None:
    refused(guarded.attack(f"http://{host}/clip.mp4"))


@pytest.mark.parametrize("host", NOWHERE)
def test_what_is_no_address_leads_nowhere(host: str, guarded: Island) -> None:
    found = guarded.attack(f"http://{host}/clip.mp4")

    assert found.code in {"network", "unsupported_site"}, found
    untouched(found)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_or_a_manifest_that_points_inwards(path: str, guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/{path}?x={INNER}")

    refused(found)
    assert found.asked


def test_a_picture_that_lies_inwards_is_not_fetched(guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/picture?x={INNER}")

    assert found.state["status"] == "completed", found
    untouched(found)


def test_a_name_that_leads_inwards_the_second_time(guarded: Island) -> None:
    found = guarded.attack("http://rebind.example/embed?x=clip.mp4")

    refused(found)
    assert found.asked == ["/embed?x=clip.mp4"]


def test_a_name_with_inner_and_public_addresses_is_reached_at_the_public_one(guarded: Island) -> None:
    found = guarded.attack("http://mixed.example/clip.mp4")

    assert found.state["status"] == "completed", found
    untouched(found)


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://{host}/clip.mp4?open" for host in SPELLINGS),
        *(f"http://evil.example/{path}?x={INNER}&open" for path in (*PATHS, "picture")),
        "http://rebind.example/embed?x=clip.mp4&open",
        "http://mixed.example/clip.mp4?open",
    ],
)
def test_without_the_brokers_refusals_the_canary_is_reached(url: str, open_island: Island) -> None:
    """Else the tests above would prove nothing."""
    found = open_island.attack(url)

    assert found.hits, found
