"""From the pasted address to the link, in a real browser."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from support.browser import OpenPage
from system.page.scripted import Scripted, Socket, state

VIDEO = "https://videos.example/watch?v=1"


def order(page: Page, url: str = VIDEO) -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_role("button", name="Download video").click()


def result(server: Scripted, job_id: str, **more: Any) -> dict[str, Any]:
    return {
        "title": "Harbour at dawn",
        "duration": 185.2,
        "size": 84_200_000,
        "media_type": "video/mp4",
        "url": "https://bucket.example/signed?sig=1",
        "expires_at": "2099-01-01T10:00:00Z",
        "file_url": f"{server.url}api/jobs/{job_id}/file",
        "reused": False,
        **more,
    }


def finish(server: Scripted, socket: Socket, seq: int, **more: Any) -> None:
    """The last message, and the close that follows it."""
    ended = result(server, socket.job_id, **more)
    socket.send(state(seq, "done", 100, "Done", status="completed", title=ended["title"], result=ended))
    socket.close(1000)


def test_an_address_becomes_a_card_that_ends_with_the_link(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, locale="en-GB", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_text("No videos yet")).to_be_visible()
    order(page)

    sent = server.order()
    assert sent.body == {"url": VIDEO, "format": {"quality": "1080", "container": "any"}}
    assert sent.key
    assert re.fullmatch(r"[0-9a-f-]{32,36}", sent.key)
    card = page.locator(".card")
    bar = card.get_by_role("progressbar")
    expect(page.get_by_text("No videos yet")).to_be_hidden()
    expect(page.get_by_label("Video URL")).to_have_value("")
    expect(card.get_by_role("heading")).to_have_text(VIDEO)

    socket = server.socket()
    assert (socket.job_id, socket.after) == ("job-1", None)
    socket.send(state(1, "started", 5, "Processing started"))
    expect(card.get_by_role("status")).to_contain_text("Processing started")
    expect(bar).to_have_attribute("aria-valuenow", "5")
    known: dict[str, Any] = {"title": "Harbour at dawn", "thumbnail": f"{server.url}api/jobs/job-1/thumbnail"}
    socket.send(state(2, "info", 10, "Video info fetched", **known))
    expect(card.get_by_role("heading")).to_have_text("Harbour at dawn")
    expect(card.locator("img")).to_be_visible()
    moving = {"downloaded_bytes": 31_500_000, "total_bytes": 84_200_000, "speed": 2_400_000.0, "eta": 22.1}
    socket.send(state(3, "downloading", 42.5, "Downloading video", **known, **moving))
    expect(bar).to_have_attribute("aria-valuenow", "42")
    expect(card).to_contain_text("31.5 MB of 84.2 MB · 2.4 MB/s · 23 secs left")
    expect(card.locator("[aria-current=step]")).to_have_text("Download")
    socket.send(state(4, "merging", 85, "Merging video and audio", **known))
    expect(card.locator("[aria-current=step]")).to_have_text("Merge")
    socket.send(state(5, "uploading", 92, "Uploading to cloud storage", **known))
    expect(card.get_by_role("status")).to_contain_text("Uploading to cloud storage")
    finish(server, socket, 6)

    expect(card.get_by_role("status")).to_contain_text("Ready")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    expect(card).to_contain_text("84.2 MB · video/mp4")
    expect(card).to_contain_text("Link works until 1 Jan 2099")
    expect(card).not_to_contain_text("Already in your bucket", use_inner_text=True)
    with page.expect_download() as download:
        card.get_by_role("link", name="Save video").click()
    assert download.value.suggested_filename == "a.mp4"
    card.get_by_role("button", name="Copy link").click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "https://bucket.example/signed?sig=1"


def test_a_video_that_was_there_is_called_so(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    socket = server.socket()
    socket.send(state(1, "filename", 30, "Extracting filename"))
    expect(page.locator("[aria-current=step]")).to_have_text("Found")
    finish(server, socket, 2, reused=True)
    expect(page.get_by_text("Already in your bucket")).to_be_visible()


def test_an_expired_link_is_not_offered_for_copying(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    finish(server, server.socket(), 1, expires_at="2020-01-01T00:00:00Z")
    expect(page.get_by_text("The link has expired")).to_be_visible()
    expect(page.get_by_role("link", name="Save video")).to_be_visible()
    expect(page.get_by_role("button", name="Copy link")).to_be_hidden()


def test_only_web_addresses_become_links(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    finish(server, server.socket(), 1, url="javascript:alert(1)", file_url="javascript:alert(1)")
    expect(page.get_by_role("status").filter(has_text="Ready")).to_be_visible()
    assert page.locator("[href^=javascript]").count() == 0
    expect(page.get_by_role("link", name="Save video")).to_be_hidden()


def test_format_and_scheme(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    container = page.get_by_label("File type")
    values = "els => els.map(el => el.value)"
    assert container.locator("option").evaluate_all(values) == ["any", "mp4", "webm", "mkv"]
    container.select_option("mkv")
    page.get_by_label("Quality").select_option("audio")
    assert container.locator("option").evaluate_all(values) == ["any", "m4a", "mp3"]
    expect(container).to_have_value("any")
    container.select_option("mp3")
    order(page, "  videos.example/watch?v=2 ")
    assert server.order().body == {
        "url": "https://videos.example/watch?v=2",
        "format": {"quality": "audio", "container": "mp3"},
    }
    expect(page.locator(".card")).to_contain_text("Audio only · MP3")


def test_a_problem_is_told_beside_the_address(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 422"])
    page.get_by_role("button", name="Download video").click()
    expect(page.get_by_role("alert")).to_have_text("Paste the URL of a video first.")
    problem = {"type": "about:blank", "title": "Invalid", "status": 422, "code": "invalid_url"}
    server.refusals.append({**problem, "detail": "This URL has no <host>."})
    order(page, "https://")
    address = page.get_by_label("Video URL")
    expect(page.get_by_role("alert")).to_have_text("This URL has no <host>.")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(address).to_have_value("https://")
    expect(address).to_be_focused()
    expect(page.locator(".card")).to_have_count(0)
    address.press_sequentially("v")
    expect(page.get_by_role("alert")).to_be_empty()


def test_what_was_not_answered_is_sent_again_under_the_same_key(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["ERR_EMPTY_RESPONSE", "status of 503"])
    server.deaf = True
    order(page)
    alert = page.locator("#problem")
    expect(alert).to_contain_text("can’t be reached")
    server.deaf = False
    server.refusals.append({"status": 503, "code": "redis_unavailable", "detail": "Try again in a few seconds."})
    page.get_by_label("Video URL").press("Enter")
    expect(alert).to_contain_text("can’t reach its database")
    page.get_by_label("Video URL").press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    # Chromium itself repeats a POST whose kept-alive connection was dropped, so there may be more than two.
    keys = [server.order().key for _ in range(server.orders.qsize())]
    assert len(keys) >= 3
    assert len(set(keys)) == 1
    order(page)
    expect(page.locator(".card")).to_have_count(2)
    assert server.order().key not in keys


def test_a_failure_says_why_and_may_be_tried_again(server: Scripted, open_page: OpenPage) -> None:
    """Also one that Vidferry does not try again by itself."""
    page = open_page(server.url)
    order(page)
    server.order()
    socket = server.socket()
    reason = "The site stopped sending. Try again later."
    error = {"code": "stalled", "message": reason, "retryable": False}
    socket.send(state(1, "downloading", 42, "Downloading video", downloaded_bytes=1, total_bytes=2))
    socket.send(state(2, "failed", 42, reason, status="failed", error=error))
    socket.close(1000)
    card = page.locator(".card")
    expect(card.get_by_role("status")).to_contain_text("Failed")
    expect(card).to_contain_text("The site stopped sending. Try again later. stalled")
    expect(card.get_by_role("button", name="Try again")).to_be_visible()


def test_a_body_without_a_length_is_indeterminate(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, locale="de-DE")
    order(page)
    socket = server.socket()
    socket.send(state(1, "downloading", 20, "Download started", downloaded_bytes=1_500_000))
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_class(re.compile("unmeasured"))
    expect(bar).not_to_have_attribute("aria-valuenow", re.compile(""))
    expect(page.locator(".card")).to_contain_text("1,5 MB so far")
    socket.send(state(2, "merging", 85, "Merging video and audio"))
    expect(bar).to_have_attribute("aria-valuenow", "85")
    expect(bar).not_to_have_class(re.compile("unmeasured"))


def test_the_bar_goes_back_only_with_a_new_attempt(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    socket = server.socket()
    bar = page.get_by_role("progressbar")
    message = page.locator(".card").get_by_role("status")
    moving: dict[str, Any] = {"downloaded_bytes": 1, "total_bytes": 9}
    socket.send(state(1, "downloading", 40, "one", **moving))
    expect(bar).to_have_attribute("aria-valuenow", "40")
    socket.send(state(2, "downloading", 30, "two", **moving))
    expect(message).to_contain_text("two")
    expect(bar).to_have_attribute("aria-valuenow", "40")
    socket.send(state(1, "downloading", 70, "an old one", **moving))
    socket.send(state(3, "started", 5, "three", attempt=2))
    expect(message).to_contain_text("three")
    expect(bar).to_have_attribute("aria-valuenow", "5")


def test_what_is_not_known_is_ignored(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    socket = server.socket()
    without_seq = {"type": "status", "data": {"status": "failed", "progress": 99, "message": "from elsewhere"}}
    odd: list[Any] = [{"type": "advice", "data": {}}, {"type": "status"}, {"type": "status", "data": None}, 7, None, []]
    for message in odd:
        socket.send_json(message)
    socket.send_json(without_seq)
    socket.send(state(1, "astern", 50, "A stage of tomorrow", status="paused", tomorrow={"a": [1]}))
    card = page.locator(".card")
    expect(card.get_by_role("status")).to_have_text("In progress A stage of tomorrow", use_inner_text=True)
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")


def test_a_plain_http_origin_has_no_random_uuid(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.evaluate("delete Crypto.prototype.randomUUID")
    order(page)
    assert re.fullmatch(r"[0-9a-f]{32}", server.order().key or "")


def test_a_phone_shows_all_without_scrolling_sideways(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, viewport={"width": 360, "height": 740}, locale="en-GB")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    long = "https://videos.example/" + "a" * 300
    order(page, long)
    socket = server.socket()
    expect(page.get_by_role("heading", name=long)).to_be_visible()
    assert page.evaluate(fits)
    huge: dict[str, Any] = {
        "downloaded_bytes": 999_900_000_000,
        "total_bytes": 999_900_000_000,
        "speed": 123_400_000,
        "eta": 86_399,
    }
    rtl = "غروب الشمس فوق الميناء القديم " * 6
    socket.send(state(1, "downloading", 99.9, "Downloading video", title=rtl, **huge))
    title = page.locator(".card h3")
    expect(title).to_have_text(rtl.strip())
    assert title.evaluate("el => getComputedStyle(el).direction") == "rtl"
    assert page.evaluate(fits)
    finish(server, socket, 2)
    expect(page.get_by_role("link", name="Save video")).to_be_visible()
    assert page.evaluate(fits)
