"""A list on the page, in a real browser, where the product asks for a key: from its URL to the retry of what failed."""

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage, browser, open_page, shared_context
from support.origin.site import Site
from support.origin.wire import Reply, text
from support.services import MakeUp

__all__ = ["browser", "open_page", "shared_context"]

pytestmark = pytest.mark.xdist_group("keys")

TIMEOUT = 60_000
"""ms, for ten jobs on a busy machine"""
HELD, MISSING = (1, 2, 10), 3
"""entries whose downloads wait at a gate of the origin; the one that does not exist yet"""


def put_feed(site: Site, count: int) -> str:
    """The URL of a list, which does not look like one, of videos whose files have names that tell nothing."""
    paths = {number: f"/gated-hls/entry-{number}/v720/4/master.m3u8" for number in HELD} | {MISSING: "/missing.m3u8"}
    items = "".join(
        f"<item><title>Part {number}</title><enclosure type='video/mp4' length='1' "
        f"url='{site.url(paths.get(number, f'/media/clip.mp4?part={number}'))}'/></item>"
        for number in range(1, count + 1)
    )
    course = f"<rss version='2.0'><channel><title>A course</title>{items}</channel></rss>"
    return site.put("/course", text(course, "xml"))


def open_with_key(open_page: OpenPage, url: str, key: str) -> Page:
    page = open_page(url)
    page.get_by_label("API key or token").fill(key)
    page.get_by_label("API key or token").press("Enter")
    expect(page.get_by_label("API key or token")).to_be_hidden()
    return page


def submit(page: Page, url: str) -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_label("Video URL").press("Enter")


def row(rows: Locator, number: int) -> Locator:
    """The row of an entry, by its place in the batch from 1 on."""
    return rows.nth(number - 1)


def test_a_person_takes_ten_of_a_list(keys_stack: MakeUp, key: str, site: Site, open_page: OpenPage) -> None:
    page = open_with_key(open_page, keys_stack.url, key)
    submit(page, put_feed(site, 12))
    card = page.locator(".card")
    expect(card.get_by_text("A list of 12 videos")).to_be_visible(timeout=TIMEOUT)
    expect(card.get_by_role("heading")).to_have_text("A course")
    expect(card.get_by_role("list", name="First videos")).to_contain_text("Part 10")
    card.get_by_role("button", name="Download 10 videos").click()

    expect(card.get_by_text("10 videos")).to_be_visible(timeout=TIMEOUT)
    card.get_by_role("button", name="Show videos").click()
    rows = card.get_by_role("list", name="Videos").get_by_role("listitem")
    expect(rows).to_have_count(10, timeout=TIMEOUT)
    site.gate("entry-1").wait_held()
    for number in (1, 10):
        row(rows, number).get_by_role("button", name="Cancel").click()
        expect(row(rows, number)).to_contain_text("Cancelled")
    expect(row(rows, MISSING)).to_contain_text("Failed", timeout=TIMEOUT)
    expect(rows.get_by_role("link", name="Save")).to_have_count(6, timeout=TIMEOUT)
    expect(card).to_contain_text("6 ready · 1 in progress · 1 failed · 2 cancelled")
    site.gate("entry-2").open()
    expect(card).to_contain_text("7 ready · 1 failed · 2 cancelled", timeout=TIMEOUT)
    expect(card.get_by_text("Finished")).to_be_visible()
    expect(rows.get_by_role("heading")).to_have_text([f"Part {number}" for number in range(1, 11)])
    with page.expect_download() as download:
        row(rows, 2).get_by_role("link", name="Save").click()
    assert download.value.suggested_filename == "Part 2.mp4"

    page.reload()
    site.put("/missing.m3u8", Reply(302, {"Location": site.url("/media/clip.mp4"), "Content-Length": "0"}))
    row(rows, MISSING).get_by_role("button", name="Try again").click()
    expect(card).to_have_count(2)
    expect(card.nth(0).get_by_role("link", name="Save video")).to_be_visible(timeout=TIMEOUT)
    expect(card.get_by_role("heading", level=3)).to_have_text(["Part 3", "A course"])


def test_the_other_players_of_a_page(keys_stack: MakeUp, key: str, site: Site, open_page: OpenPage) -> None:
    players = "".join(f"<video src='media/clip.mp4?player={number}'></video>" for number in (1, 2, 3))
    page = open_with_key(open_page, keys_stack.url, key)
    submit(page, site.put("/players", text(f"<title>Three</title>{players}", "html")))
    card = page.locator(".card")
    expect(card).to_contain_text("This is 1 of 3 videos on the page.", timeout=TIMEOUT)
    card.get_by_role("button", name="Download the other 2").click()
    expect(card.nth(0)).to_contain_text("2 ready", timeout=TIMEOUT)
    page.reload()
    expect(card.get_by_role("heading", level=3)).to_have_text(["Three", "Three"])
