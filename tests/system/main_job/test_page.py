"""The page in a real browser, on the real product."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import OpenPage, browser, open_page, shared_context
from support.ffmpeg import ffprobe
from support.origin.site import Site
from support.services import MakeUp

__all__ = ["browser", "open_page", "shared_context"]

pytestmark = pytest.mark.xdist_group("folder")

TIMEOUT = 30_000
"""ms, for a whole job on a busy machine"""


def test_paste_an_address_watch_and_save(folder_stack: MakeUp, site: Site, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(folder_stack.url)
    page.get_by_label("Video URL").fill(site.url("/gated-hls/page/v720/4/master.m3u8"))
    page.get_by_role("button", name="Download video").click()
    card = page.locator(".card").first
    site.gate("page").wait_held()
    bar = card.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "56", timeout=TIMEOUT)
    site.gate("page").open()
    link = card.get_by_role("link", name="Save video")
    expect(link).to_be_visible(timeout=TIMEOUT)
    expect(bar).to_have_attribute("aria-valuenow", "100")
    with page.expect_download() as download:
        link.click()
    file = tmp_path / "saved.mp4"
    download.value.save_as(file)
    assert download.value.suggested_filename == "4.mp4"
    assert {stream["codec_type"] for stream in ffprobe(file)["streams"]} == {"video", "audio"}


def test_title_and_picture_are_shown(folder_stack: MakeUp, site: Site, open_page: OpenPage) -> None:
    page = open_page(folder_stack.url)
    page.get_by_label("Video URL").fill(site.url("/page?title=arabic"))
    page.get_by_label("Video URL").press("Enter")
    card = page.locator(".card").first
    expect(card.get_by_role("link", name="Save video")).to_be_visible(timeout=TIMEOUT)
    picture = card.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_a_failure_is_told_in_a_sentence(folder_stack: MakeUp, site: Site, open_page: OpenPage) -> None:
    page = open_page(folder_stack.url)
    page.get_by_label("Video URL").fill(site.url("/status/404"))
    page.get_by_label("Video URL").press("Enter")
    card = page.locator(".card").first
    expect(card.get_by_text("The video does not exist, or can't be watched any more.")).to_be_visible(timeout=TIMEOUT)


def test_a_bad_address_is_refused_beside_the_field(folder_stack: MakeUp, open_page: OpenPage) -> None:
    page = open_page(folder_stack.url, expected=["422"])
    page.get_by_label("Video URL").fill("ftp://example.org/video")
    page.get_by_label("Video URL").press("Enter")
    expect(page.get_by_text("must begin with http:// or https://")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_it_reconnects_when_the_service_is_back(site: Site, open_page: OpenPage) -> None:
    with MakeUp() as stack:
        page = open_page(stack.url, expected=["WebSocket", "ERR_CONNECTION_REFUSED", "Failed to load resource"])
        page.get_by_label("Video URL").fill(site.url("/gated-hls/back/v720/4/master.m3u8"))
        page.get_by_label("Video URL").press("Enter")
        card = page.locator(".card").first
        site.gate("back").wait_held()
        expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "56", timeout=TIMEOUT)
        stack.stop()
        expect(card.get_by_text("Reconnecting")).to_be_visible(timeout=TIMEOUT)
        site.gate("back").open()
        stack.start()
        expect(card.get_by_role("link", name="Save video")).to_be_visible(timeout=TIMEOUT)


def test_cancel_and_try_again(folder_stack: MakeUp, site: Site, open_page: OpenPage) -> None:
    page = open_page(folder_stack.url)
    page.get_by_label("Video URL").fill(site.url("/gated-hls/again/v720/4/master.m3u8"))
    page.get_by_role("button", name="Download video").click()
    card = page.locator(".card").first
    gate = site.gate("again")
    gate.wait_held()
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_role("status")).to_have_text("Cancelled", use_inner_text=True, timeout=TIMEOUT)
    site.settled("/gated-hls/")  # the downloader is gone, and nothing of it waits at the gate any more

    gate.open()
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("link", name="Save video")).to_be_visible(timeout=TIMEOUT)
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    expect(page.locator("[data-phase=cancelled]")).to_have_count(0)
