"""The page's footer: which versions run, for whoever may know."""

from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage
from system.page.scripted import Scripted

RUNNING = {"vidferry": "0.3.0", "workers": [{"yt_dlp": "2026.11.20"}, {"yt_dlp": "2026.10.26"}]}


def test_the_footer_shows_vidferry_and_the_yt_dlp_of_most_workers(server: Scripted, open_page: OpenPage) -> None:
    server.versions = RUNNING
    expect(footer(open_page(server.url))).to_have_text("Vidferry 0.3.0 · yt-dlp 2026.11.20")


def test_without_workers_it_shows_vidferry(server: Scripted, open_page: OpenPage) -> None:
    expect(footer(open_page(server.url))).to_have_text("Vidferry 0.3.0")


def test_it_shows_text_only(server: Scripted, open_page: OpenPage) -> None:
    server.versions = {"vidferry": "<b>0.3.0</b>", "workers": [{"yt_dlp": None}]}
    expect(footer(open_page(server.url))).to_have_text("Vidferry <b>0.3.0</b>")


def test_it_appears_with_the_key(server: Scripted, open_page: OpenPage) -> None:
    server.versions = RUNNING
    server.access, server.scopes = {"mode": "keys"}, {"vf_good": ""}
    page = open_page(server.url)
    expect(page.get_by_label("API key or token")).to_be_visible()
    expect(footer(page)).to_be_hidden()

    page.get_by_label("API key or token").fill("vf_good")
    page.get_by_role("button", name="Use this key").click()

    expect(footer(page)).to_be_visible()


def test_an_api_that_does_not_tell_leaves_it_out(server: Scripted, open_page: OpenPage) -> None:
    server.versions = None
    page = open_page(server.url, expected=["status of 404"])
    expect(page.get_by_role("button", name="Download video")).to_be_visible()
    expect(footer(page)).to_be_hidden()


def footer(page: Page) -> Locator:
    return page.locator("footer")
