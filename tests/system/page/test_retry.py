"""Tries of a download, on the page: those that Vidferry makes by itself, and those of a person."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage
from system.page.scripted import PREFIX, Scripted, state

VIDEO = "https://videos.example/watch?v=1"
NOW = "2026-11-23T10:00:00Z"
REASON = "The site stopped sending."
WAITING: dict[str, Any] = {"status": "queued", "retries": 2, "max_retries": 3, "retry_at": "2026-11-23T10:00:12Z"}

COUNTDOWN = {
    "00": "Next try in 12 sec (2 of 3)",
    "05": "Next try in 7 sec (2 of 3)",
    "11": "Next try in 1 sec (2 of 3)",
    "12": "Waiting for the next try (2 of 3)",
}


def order(page: Page, url: str = VIDEO) -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_role("button", name="Download video").click()


def end(server: Scripted, page: Page, status: str = "failed") -> Locator:
    """A card of a download that ended so; what was asked for until then is forgotten."""
    order(page)
    socket = server.socket()
    error = {"code": "stalled", "message": REASON, "retryable": True}
    more = {"error": error} if status == "failed" else {}
    ended = state(2, status, 42, REASON, status=status, title="Harbour at dawn", **more)
    server.jobs["job-1"] |= ended
    socket.send(ended)
    socket.close(1000)
    server.order()
    card = page.locator(".card")
    expect(card.get_by_role("button", name="Try again")).to_be_visible()
    return card


def test_the_time_to_the_next_try_passes(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, locale="en-US")
    page.clock.set_fixed_time(NOW)  # what runs in the page goes on; only what time it is, the test says
    order(page)
    socket = server.socket()
    socket.send(state(2, "queued", 42, f"{REASON} Vidferry will try again automatically.", **WAITING))
    card = page.locator(".card")
    expect(card.get_by_role("status")).to_contain_text("Waiting")
    for moment, told in COUNTDOWN.items():
        page.clock.set_fixed_time(NOW.replace("00Z", f"{moment}Z"))
        expect(card).to_contain_text(told)
    socket.send(state(3, "started", 5, "Processing started", attempt=3, retries=2, max_retries=3))
    expect(card).to_contain_text("Retry 2 of 3")
    expect(card).not_to_contain_text("Waiting")


def test_a_site_that_pauses_says_so_and_how_long(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, locale="en-US")
    page.clock.set_fixed_time(NOW)
    order(page)
    reason = "videos.example asks for fewer requests. This download goes on after 10:00 UTC."
    paused = {"status": "queued", "retry_at": WAITING["retry_at"], "pause_code": "rate_limited"}
    server.socket().send(state(2, "queued", 0, reason, **paused))
    card = page.locator(".card")
    expect(card).to_contain_text(reason)
    expect(card).to_contain_text("Goes on in 12 sec at the earliest")
    page.clock.set_fixed_time(NOW.replace("00Z", "12Z"))
    expect(card).to_contain_text("Waiting for the site")


def test_a_worker_that_does_not_tell_how_many_tries_there_are(server: Scripted, open_page: OpenPage) -> None:
    """One of an older release, during an update."""
    page = open_page(server.url, locale="en-US")
    page.clock.set_fixed_time(NOW)
    order(page)
    server.socket().send(state(2, "queued", 42, REASON, **WAITING | {"max_retries": None}))
    expect(page.locator(".card")).to_contain_text("Next try in 12 sec (2)")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_another_try_takes_the_place_of_the_last(server: Scripted, open_page: OpenPage, status: str) -> None:
    page = open_page(server.url)
    end(server, page, status)
    order(page, VIDEO + "2")
    cards = page.locator(".card")
    expect(cards).to_have_count(2)
    server.socket()
    server.desk.clear()
    cards.nth(1).get_by_role("button", name="Try again").click()
    busy = cards.nth(1).get_by_role("button", name="Sending…")
    expect(busy).to_be_focused()
    busy.press("Enter")  # in vain: one is under way
    server.desk.set()

    expect(cards.nth(1)).to_have_attribute("data-job", "job-3")
    expect(cards).to_have_count(2)
    expect(cards.nth(1).get_by_role("status")).to_contain_text("Waiting")
    expect(cards.nth(1).get_by_role("heading")).to_have_text("Harbour at dawn")
    expect(cards.nth(1).get_by_role("button", name="Cancel")).to_be_focused()
    asked = server.retry()
    assert asked.path == f"{PREFIX}/api/jobs/job-1/retry"
    assert asked.key
    assert server.retries.empty()
    assert server.socket().job_id == "job-3"
    page.reload()
    expect(cards.nth(0)).to_have_attribute("data-job", "job-2")
    expect(cards.nth(1)).to_have_attribute("data-job", "job-3")


def test_the_focus_stays_where_a_person_has_gone(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    card = end(server, page)
    server.desk.clear()
    card.get_by_role("button", name="Try again").click()
    page.get_by_label("Video URL").focus()
    server.desk.set()
    expect(card).to_have_attribute("data-job", "job-2")
    expect(page.get_by_label("Video URL")).to_be_focused()


def test_what_was_not_answered_is_sent_again_under_the_same_key(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["ERR_EMPTY_RESPONSE", "status of 503"])
    card = end(server, page)
    again = card.get_by_role("button", name="Try again")
    server.deaf = True
    again.click()
    expect(card.get_by_role("alert")).to_contain_text("can’t be reached")
    server.deaf = False
    server.refusals.append({"status": 503, "code": "redis_unavailable", "detail": "Try again in a few seconds."})
    again.click()
    expect(card.get_by_role("alert")).to_contain_text("can’t reach its database")
    expect(again).to_be_focused()
    again.click()
    expect(card).to_have_attribute("data-job", "job-2")
    keys = [server.retry().key for _ in range(server.retries.qsize())]
    assert len(keys) >= 3
    assert len(set(keys)) == 1


def test_what_is_refused_is_told_on_the_card(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 503"])
    card = end(server, page)
    detail = "Try again when some downloads have finished."
    server.refusals.append({"status": 503, "code": "queue_full", "detail": detail})
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("alert")).to_have_text(detail)
    expect(card).to_have_attribute("data-job", "job-1")


def test_a_job_that_is_gone_is_ordered_anew(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 404"])
    card = end(server, page)
    del server.jobs["job-1"]
    server.refusals.append({"status": 404, "code": "job_not_found", "detail": "Check the id."})
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("status")).to_contain_text("Not found")
    card.get_by_role("button", name="Try again").click()
    assert server.order().body == {"url": VIDEO, "format": {"quality": "1080", "container": "any"}}
    expect(page.locator(".card")).to_have_count(2)
