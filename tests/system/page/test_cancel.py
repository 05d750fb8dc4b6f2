"""Cancelling a download on the page."""

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage
from system.page.scripted import Scripted, Socket, state

VIDEO = "https://videos.example/watch?v=1"
MOVING = {"downloaded_bytes": 1, "total_bytes": 9}


def begin(server: Scripted, page: Page) -> tuple[Locator, Socket]:
    """A card of a download that runs, and its socket."""
    page.get_by_label("Video URL").fill(VIDEO)
    page.get_by_role("button", name="Download video").click()
    socket = server.socket()
    socket.send(state(3, "downloading", 42, "Downloading video", title="Harbour at dawn", **MOVING))
    card = page.locator(".card")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "42")
    return card, socket


def cancel(card: Locator) -> None:
    card.get_by_role("button", name="Cancel").click()


def test_a_download_that_runs_is_cancelled(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    card, _ = begin(server, page)
    server.desk.clear()
    cancel(card)
    busy = card.get_by_role("button", name="Cancelling…")
    expect(busy).to_have_attribute("aria-disabled", "true")
    expect(busy).to_be_focused()
    busy.press("Enter")  # in vain: one is under way
    server.desk.set()

    expect(card.get_by_role("status")).to_have_text("Cancelled", use_inner_text=True)
    expect(card.get_by_role("heading")).to_have_text("Harbour at dawn")
    expect(card.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(card.get_by_role("button", name="Try again")).to_be_focused()
    assert server.cancelled() == "job-1"
    assert server.cancels.empty()


def test_one_that_waits_may_be_cancelled(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.get_by_label("Video URL").fill(VIDEO)
    page.get_by_role("button", name="Download video").click()
    card = page.locator(".card")
    cancel(card)
    expect(card.get_by_role("status")).to_contain_text("Cancelled")


def test_a_cancellation_from_elsewhere_is_shown(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    card, socket = begin(server, page)
    socket.send(state(4, "cancelled", 42, "Cancelled", status="cancelled"))
    socket.close(1000)
    expect(card.get_by_role("status")).to_have_text("Cancelled", use_inner_text=True)
    expect(card.get_by_role("button", name="Try again")).to_be_visible()


def test_it_works_without_a_socket(server: Scripted, open_page: OpenPage) -> None:
    """And does not go on looking for one."""
    page = open_page(server.url)
    card, socket = begin(server, page)
    server.door.clear()
    socket.cut()
    expect(card.get_by_role("status")).to_contain_text("Reconnecting…")
    cancel(card)
    expect(card.get_by_role("status")).to_have_text("Cancelled", use_inner_text=True)
    page.evaluate("dispatchEvent(new Event('online'))")
    server.door.set()
    page.get_by_label("Video URL").fill(VIDEO + "2")
    page.get_by_role("button", name="Download video").click()
    assert server.socket().job_id == "job-2"


def test_a_download_that_was_faster_shows_its_file(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 409"])
    card, _ = begin(server, page)
    result = {"size": 9, "media_type": "video/mp4", "file_url": f"{server.url}api/jobs/job-1/file", "reused": False}
    server.jobs["job-1"] |= state(9, "done", 100, "Done", status="completed", result=result)
    server.refusals.append({"status": 409, "code": "job_ended", "detail": "It ended before."})
    cancel(card)
    expect(card.get_by_role("status")).to_contain_text("Ready")
    expect(card.get_by_role("link", name="Save video")).to_be_focused()
    expect(card.get_by_role("alert")).to_be_empty()


def test_a_job_that_is_gone_is_called_so(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 404"])
    card, _ = begin(server, page)
    del server.jobs["job-1"]
    server.refusals.append({"status": 404, "code": "job_not_found", "detail": "Check the id."})
    cancel(card)
    expect(card.get_by_role("status")).to_contain_text("Not found")
    expect(card.get_by_role("button", name="Cancel")).to_be_hidden()


@pytest.mark.parametrize(
    ("code", "told"),
    [("redis_unavailable", "Vidferry can’t reach its database"), ("job_busy", "Try again in a few seconds.")],
)
def test_what_is_refused_is_told_on_the_card(server: Scripted, open_page: OpenPage, code: str, told: str) -> None:
    page = open_page(server.url, expected=["status of 503"])
    card, socket = begin(server, page)
    server.refusals.append({"status": 503, "code": code, "detail": "Try again in a few seconds."})
    cancel(card)
    expect(card.get_by_role("alert")).to_contain_text(told)
    expect(card.get_by_role("button", name="Cancel")).to_be_focused()
    socket.send(state(4, "downloading", 50, "Downloading video", **MOVING))
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(card.get_by_role("alert")).to_contain_text(told)
    cancel(card)
    expect(card.get_by_role("status")).to_contain_text("Cancelled")
    expect(card.get_by_role("alert")).to_be_empty()


def test_without_an_answer_it_is_told_so(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["ERR_EMPTY_RESPONSE"])
    card, _ = begin(server, page)
    server.deaf = True
    cancel(card)
    expect(card.get_by_role("alert")).to_contain_text("can’t be reached")
