"""Lists on the page: what a URL leads to, how many of its videos to take, and the batch that takes them."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage
from system.page.scripted import Scripted, Socket, state

LIST = "https://videos.example/harbours"
FORMAT = {"quality": "1080", "container": "any"}
MOVING = {"downloaded_bytes": 1, "total_bytes": 9}
REASON = "The site stopped sending data. Try again later."


def submit(page: Page, url: str) -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_label("Video URL").press("Enter")


def refuse_as_list(server: Scripted, socket: Socket) -> None:
    """What becomes of a download whose URL leads to a list."""
    error: dict[str, Any] = {
        "code": "playlist",
        "message": "This URL leads to a list (POST /api/batches).",
        "retryable": False,
    }
    server.publish(socket, state(2, "failed", 5, error["message"], status="failed", error=error))
    socket.close(1000)


def find(server: Scripted, socket: Socket, count: int | None, **more: Any) -> None:
    """A look ends, at a list of that length or at one video."""
    entries = [
        {"index": index, "url": f"{LIST}/{index}", "title": f"Harbour {index}", "duration": 65.0}
        for index in range(1, min(count or 0, 100) + 1)
    ]
    probe = {"title": "Harbours", "uploader": "A pilot", "is_list": count is not None, "entries": entries}
    ended = state(
        3, "done", 100, "Done", status="completed", title="Harbours", probe={**probe, "entry_count": count} | more
    )
    server.publish(socket, ended)
    socket.close(1000)


def counts(total: int | None, made: int, size: int = 0, **by_status: int) -> dict[str, Any]:
    """The `batch` member of a batch."""
    names = ("queued", "processing", "completed", "failed", "cancelled")
    told = {"total": total, "made": made, **dict.fromkeys(names, 0), **by_status}
    return {"counts": told, "downloaded_bytes": size, "size": size, "children_url": "…"}


def make_children(server: Scripted, batch: str, count: int) -> list[str]:
    """The jobs of a batch, of which some may be there already."""
    made = server.children.setdefault(batch, [])
    for index in range(len(made), count):
        made.append(f"child-{index}")
        parent = {"batch": batch, "index": index + 1}
        server.add_job(made[-1], url=f"{LIST}/{index}", format=FORMAT, title=f"Harbour {index + 1}", parent=parent)
    return made


def rows_of(page: Page) -> Locator:
    """The videos of the batch that is unfolded."""
    return page.get_by_role("list", name="Videos").get_by_role("listitem")


def end(server: Scripted, job_id: str, status: str) -> dict[str, Any]:
    """A child's last state."""
    more: dict[str, Any] = {}
    if status == "completed":
        more["result"] = {"size": 9_000_000, "duration": 65, "file_url": f"{server.url}api/jobs/{job_id}/file"}
    if status == "failed":
        more["error"] = {"code": "stalled", "message": REASON, "retryable": True}
    stage = "done" if status == "completed" else status
    return {"job_id": job_id, **state(9, stage, 100, "", status=status, **more)}


def test_from_the_url_of_a_list_to_the_retry_of_what_failed(server: Scripted, open_page: OpenPage) -> None:
    """By keyboard, where Vidferry asks for a key."""
    server.access, server.scopes = {"mode": "keys"}, {"right": ""}
    page = open_page(server.url, locale="en-GB")
    page.get_by_label("API key or token").fill("right")
    page.get_by_label("API key or token").press("Enter")
    expect(page.get_by_label("API key or token")).to_be_hidden()
    submit(page, LIST)
    see_what_it_is(server, page)
    take_three(server, page)
    batch = server.socket()
    see_it_folded(server, page, batch)
    many = unfold(server, page, batch)
    cancel_two_and_let_one_fail(server, page, batch, many)
    retry_after_a_reload(server, page, batch)


def see_what_it_is(server: Scripted, page: Page) -> None:
    assert server.order().path.endswith("/api/download")
    refuse_as_list(server, server.socket())
    look = server.order()
    assert look.path.endswith("/api/probes?wait=0")
    assert look.body == {"url": LIST, "format": FORMAT}
    assert look.key
    find(server, server.socket(), 24, batch_limit=20)
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card.get_by_role("heading")).to_have_text("Harbours")
    expect(card.get_by_role("status")).to_contain_text("A list of 24 videos · A pilot")
    expect(card.get_by_role("list", name="First videos").get_by_role("listitem")).to_have_count(10)
    expect(card.get_by_text("and 14 more videos")).to_be_visible()


def take_three(server: Scripted, page: Page) -> None:
    card = page.locator(".card")
    amount = card.get_by_label("Take")
    expect(amount).to_have_value("10")
    amount.fill("21")
    amount.press("Enter")
    expect(card.get_by_role("alert").filter(has_text="from 1 to 20")).to_be_visible()
    expect(amount).to_be_focused()
    amount.fill("3")
    amount.press("Tab")
    expect(card.get_by_label("Newest first")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Download 3 videos")).to_be_focused()
    page.keyboard.press("Enter")
    order = server.order()
    assert order.path.endswith("/api/batches")
    assert order.body == {"playlist": LIST, "limit": 3, "newest_first": True, "format": FORMAT}
    assert order.key


def see_it_folded(server: Scripted, page: Page, batch: Socket) -> None:
    """Of its jobs nothing is read."""
    card = page.locator(".card")
    expect(card.get_by_role("button", name="Show videos")).to_have_attribute("aria-expanded", "false")
    expect(card.get_by_role("button", name="Cancel all")).to_be_focused()
    expect(card.get_by_role("status")).to_contain_text("Reading the list")
    make_children(server, batch.job_id, 2)
    warnings = [{"code": "videos_left_out", "message": "The playlist has more videos."}]
    running = {"title": "Harbours", "batch": counts(3, 2, processing=1, queued=1) | {"warnings": warnings}}
    server.publish(batch, state(4, "downloading", 30, "", **running))
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "30")
    expect(card.get_by_role("status")).to_contain_text("3 videos")
    expect(card).to_contain_text("1 in progress · 2 waiting")
    expect(card.get_by_text("The playlist has more videos.")).to_be_visible()
    assert not [path for _, path, _ in server.requests if "batch=" in path]
    assert server.sockets.empty()


def unfold(server: Scripted, page: Page, batch: Socket) -> Socket:
    """The socket over which its jobs are watched."""
    card = page.locator(".card")
    card.get_by_role("button", name="Show videos").press("Enter")
    many = server.socket()
    assert (many.job_id, many.ticket) == ("downloads", "of-an-owner")
    assert many.receive() == {"type": "subscribe", "jobs": {"child-0": None, "child-1": None}}
    rows = rows_of(page)
    expect(rows.get_by_role("heading")).to_have_text(["Harbour 1", "Harbour 2"])
    server.publish(many, {"job_id": "child-0", **state(5, "downloading", 40, "", **MOVING)})
    expect(rows.nth(0).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    make_children(server, batch.job_id, 3)
    server.publish(batch, state(5, "downloading", 40, "", batch=counts(3, 3, processing=1, queued=2)))
    assert many.receive() == {"type": "subscribe", "jobs": {"child-2": None}}
    expect(rows).to_have_count(3)
    return many


def cancel_two_and_let_one_fail(server: Scripted, page: Page, batch: Socket, many: Socket) -> None:
    rows = rows_of(page)
    for index in (1, 2):
        rows.nth(index).get_by_role("button", name="Cancel").press("Enter")
        assert server.cancelled() == f"child-{index}"
        expect(rows.nth(index)).to_contain_text("Cancelled")
        expect(rows.nth(index).get_by_role("button", name="Try again")).to_be_focused()
    server.publish(many, end(server, "child-0", "failed"))
    expect(rows.nth(0)).to_contain_text(REASON)
    server.publish(batch, state(9, "failed", 100, "", status="failed", batch=counts(3, 3, failed=1, cancelled=2)))
    batch.close(1000)
    expect(page.locator(".card")).to_contain_text("1 failed · 2 cancelled")


def retry_after_a_reload(server: Scripted, page: Page, batch: Socket) -> None:
    page.reload()
    card, rows = page.locator(".card"), rows_of(page)
    expect(rows.nth(0)).to_contain_text(REASON)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card.get_by_role("button", name="Retry 3 videos").press("Enter")
    assert server.retry().path.endswith(f"/api/jobs/{batch.job_id}/retry")
    expect(card).to_have_count(2)
    expect(card.nth(1).get_by_role("button", name="Retry 3 videos")).to_be_hidden()
    expect(card.nth(0).get_by_role("button", name="Show videos")).to_be_visible()
    rows.nth(0).get_by_role("button", name="Try again").press("Enter")
    assert server.retry().path.endswith("/api/jobs/child-0/retry")
    expect(card).to_have_count(3)


def test_a_socket_of_many_jobs_watches_so_many_at_once_and_resumes(server: Scripted, open_page: OpenPage) -> None:
    server.page_size = 200
    page = open_page(server.url)
    submit(page, "https://videos.example/playlist/7")
    find(server, server.socket(), 170)
    page.get_by_role("button", name="Download 10 videos").click()
    batch = server.socket()
    made = make_children(server, batch.job_id, 170)
    server.publish(batch, state(4, "downloading", 0, "", batch=counts(170, 170, queued=170)))
    page.get_by_role("button", name="Show videos").click()
    many = server.socket()
    asked = [job_id for _ in range(4) for job_id in many.receive()["jobs"]]
    assert asked == made[:150]
    server.publish(many, end(server, made[0], "completed"))
    assert many.receive()["jobs"] == {made[150]: None}
    row = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Harbour 1", exact=True))
    expect(row.get_by_role("link", name="Save")).to_be_visible()

    many.send({"job_id": made[1], **state(7, "downloading", 50, "", **MOVING)})
    many.cut()
    again = server.socket()
    assert again.receive()["jobs"] == {made[1]: "0000e1e1-7", **dict.fromkeys(made[2:41])}
    page.get_by_role("button", name="Hide videos").click()
    page.get_by_role("button", name="Cancel all").click()
    assert server.cancelled() == batch.job_id
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Cancelled")


def test_a_plain_list_is_looked_at_first_and_a_video_is_not(server: Scripted, open_page: OpenPage) -> None:
    """And what only looked like a list is downloaded at once."""
    page = open_page(server.url)
    paths = {
        "https://www.youtube.com/playlist?list=7": "probes?wait=0",
        "https://www.youtube.com/@pilot/videos": "probes?wait=0",
        "https://videos.example/feed.rss": "probes?wait=0",
        "https://www.youtube.com/watch?v=1&list=7": "download",
        "https://youtu.be/1?list=7": "download",
        "https://videos.example/playlist/720.m3u8": "download",
    }
    sockets = []
    for url, path in paths.items():
        submit(page, url)
        assert server.order().path.rpartition("/api/")[2] == path, url
        sockets.append(server.socket())
    find(server, sockets[0], None)
    order = server.order()
    assert order.path.endswith("/api/download")
    assert order.body == {"url": next(iter(paths)), "format": FORMAT}
    expect(page.locator(".card")).to_have_count(len(paths))
    expect(page.locator(".card").last).to_have_attribute("data-kind", "download")
    find(server, sockets[1], 0)
    expect(page.get_by_text("This list is empty.")).to_be_visible()
    expect(page.get_by_label("Take")).to_be_hidden()


def test_the_other_videos_of_a_page_are_taken_as_a_batch(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 503"])
    submit(page, LIST)
    socket = server.socket()
    server.order()
    urls = [f"{LIST}#2", f"{LIST}#3"]
    warning = {"code": "several_videos", "message": "This is 1 of 3.", "videos": 3, "other_urls": urls}
    ended = end(server, socket.job_id, "completed")
    ended["result"]["warnings"] = [warning]
    server.publish(socket, ended)
    card = page.locator(".card")
    expect(card).to_contain_text("This is 1 of 3 videos on the page.")
    server.refusals.append({"status": 503, "code": "queue_full", "detail": "Try again when some have finished."})
    page.get_by_role("button", name="Download the other 2").click()
    expect(card.get_by_role("alert").filter(has_text="Try again when some")).to_be_visible()
    page.get_by_role("button", name="Download the other 2").click()
    refused, order = server.order(), server.order()
    assert (order.path.rpartition("/")[2], order.body) == ("batches", {"urls": urls, "format": FORMAT})
    assert order.key == refused.key
    expect(card).to_have_count(2)
    expect(card.nth(0)).to_have_attribute("data-kind", "batch")
    expect(card.nth(1).get_by_role("button", name="Download the other 2")).to_be_hidden()
