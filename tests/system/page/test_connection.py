"""What the page does when its sockets break, and after a reload."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from support.browser import OpenPage
from system.page.scripted import PREFIX, Scripted, state

KEY = f"vidferry:jobs:{PREFIX}/"
MOVING: dict[str, Any] = {"downloaded_bytes": 1, "total_bytes": 9}


def order(page: Page, url: str = "https://videos.example/watch?v=1") -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_role("button", name="Download video").click()


def stored(page: Page) -> list[str]:
    entries = json.loads(page.evaluate(f"localStorage.getItem('{KEY}')") or "[]")
    return [entry["id"] for entry in entries]


def test_a_cut_socket_comes_back_where_it_was(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    card = page.locator(".card")
    first = server.socket()
    first.send(state(7, "downloading", 35, "Downloading video", **MOVING))
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "35")

    server.door.clear()
    first.cut()
    expect(card.get_by_role("status")).to_contain_text("Reconnecting…")
    server.door.set()
    second = server.socket()
    assert second.after == "0000e1e1-7"
    expect(card.get_by_role("status")).to_contain_text("In progress")
    second.send(state(8, "downloading", 50, "Downloading video", **MOVING))
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")


def test_codes_after_which_it_connects_again(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    socket = server.socket()
    for seq, code in enumerate([1001, 1012, 1013, 4008, 4499], 1):
        socket.send(state(seq, "started", 5, "Processing started"))
        socket.close(code)
        socket = server.socket()
        assert socket.after == f"0000e1e1-{seq}"


def test_what_a_new_socket_says_first_holds(server: Scripted, open_page: OpenPage) -> None:
    """A server that lost its latest writes counts on from a lower seq."""
    page = open_page(server.url)
    order(page)
    status = page.locator(".card").get_by_role("status")
    first = server.socket()
    first.send(state(9, "downloading", 65, "nine", **MOVING))
    expect(status).to_contain_text("nine")
    first.close(1013)
    second = server.socket()
    second.send(state(4, "downloading", 50, "four", **MOVING))
    expect(status).to_contain_text("four")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "65")
    second.send(state(5, "downloading", 66, "five", **MOVING))
    expect(status).to_contain_text("five")


def test_an_unknown_job_is_not_asked_for_again(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    server.socket().close(4504)
    card = page.locator(".card")
    expect(card.get_by_role("status")).to_contain_text("Not found")
    expect(card).to_contain_text("no longer has a record of this job")
    page.evaluate("dispatchEvent(new Event('online'))")
    order(page, "https://videos.example/watch?v=2")
    assert server.socket().job_id == "job-2"  # so the event brought no socket for the first


def test_a_refused_ticket_is_not_tried_again(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    server.socket().close(4501)
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Not connected")


def test_online_or_seen_again_it_connects_at_once(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    server.socket().close(4429)  # by itself it would wait for 7.5 s at least
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Reconnecting…")
    page.evaluate("dispatchEvent(new Event('online'))")
    socket = server.sockets.get(timeout=5)
    expect(page.locator(".card").get_by_role("status")).not_to_contain_text("Reconnecting…")
    socket.close(4429)
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Reconnecting…")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    server.sockets.get(timeout=5)


def test_the_delay_grows_with_full_jitter_up_to_its_cap(server: Scripted, open_page: OpenPage) -> None:
    """Against a WebSocket that always breaks, in the page itself, with time that only the test moves."""
    page = open_page(server.url)
    page.evaluate(f"import('{PREFIX}/static/progress.js').then((module) => {{ window.progress = module; }})")
    delays = page.evaluate(
        """() => {
          const delays = [], last = [];
          const real = { WebSocket, setTimeout };
          window.WebSocket = class { constructor() { last.push(this); } close() {} };
          window.setTimeout = (call, delay) => {
            if (delay === 60_000) return 2;  // nothing heard
            delays.push(delay);
            queued = call;
            return 1;
          };
          let queued;
          const watch = window.progress.watchJob("/ws", { onMessage() {}, random: () => 0.5 });
          const closeAll = (times) => {
            for (let i = 0; i < times; i++) { last.at(-1).onclose({ code: 1006, reason: "" }); queued(); }
          };
          closeAll(8);
          last.at(-1).onmessage({ data: '{"type": "status", "data": {}}' });
          closeAll(1);
          watch.close();
          Object.assign(window, real);
          return delays;
        }"""
    )
    assert delays == [250, 500, 1000, 2000, 4000, 7500, 7500, 7500, 250]


FAKE_SOCKETS = """() => {
  window.made = [];
  window.states = [];
  window.told = [];
  window.WebSocket = class {
    constructor(url) { this.url = url; made.push(this); }
    close() { this.left = true; }
  };
  window.follow = () => progress.watchJob("/ws", {
    onMessage: ({ data }, first) => told.push([data.message, first]),
    onState: (state, { code }) => states.push([state, code]),
    random: () => 0,
  });
}"""
PING = """made.at(-1).onmessage({ data: '{"type": "ping"}' })"""
DONE = """made.at(-1).onmessage({ data: '{"type": "status", "data": {"seq": 9, "status": "completed"}}' })"""


def fake_sockets(page: Page) -> None:
    """Sockets on which only the test says anything, and time that only the test moves."""
    page.clock.install()
    page.evaluate(f"import('{PREFIX}/static/progress.js').then((module) => {{ window.progress = module; }})")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.evaluate(FAKE_SOCKETS)
    page.evaluate("void follow()")


def test_a_network_that_goes_without_a_word(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, alone=True)
    fake_sockets(page)
    assert page.evaluate("made[0].url.searchParams.get('pings')") == "1"
    for _ in range(3):
        page.clock.run_for(59_000)
        page.evaluate(PING)
    assert page.evaluate("made.length") == 1, "pings are heard"
    page.clock.run_for(61_000)
    assert page.evaluate("[made.length, made[0].left]") == [2, True]
    assert page.evaluate("states.at(-1)") == ["reconnecting", 1006]


def test_a_state_that_is_told_again_is_no_news(server: Scripted, open_page: OpenPage) -> None:
    """Only where it is the same to the letter: after an outage of Redis another one may have its cursor."""
    page = open_page(server.url, alone=True)
    fake_sockets(page)
    for text in ("one", "one", "other"):
        page.evaluate(
            """(message) => {
              const data = { type: "status", cursor: "0000e1e1-1", data: { seq: 1, status: "processing", message } };
              made.at(-1).onmessage({ data: JSON.stringify(data) });
              made.at(-1).onclose({ code: 1012, reason: "" });
            }""",
            text,
        )
        page.clock.run_for(1)
    assert page.evaluate("told") == [["one", True], ["other", True]]
    assert page.evaluate("made.length") == 4


def test_behind_the_last_message_nothing_connects_again(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, alone=True)
    fake_sockets(page)
    page.evaluate(DONE)
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(61_000)
    assert page.evaluate("[made.length, states.map(([state]) => state)]") == [1, ["connecting", "ended"]]


def test_a_reload_restores_the_list(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=["status of 404"])
    for number in (1, 2, 3):
        order(page, f"https://videos.example/watch?v={number}")
        server.socket()
        expect(page.locator(".card")).to_have_count(number)
    server.jobs["job-1"] |= state(3, "downloading", 50, "Downloading video", title="One", **MOVING)
    ended: dict[str, Any] = {"title": "Two", "file_url": f"{server.url}api/jobs/job-2/file"}
    server.jobs["job-2"] |= state(9, "done", 100, "Done", status="completed", title="Two", result=ended)
    del server.jobs["job-3"]
    page.reload()

    cards = page.locator(".card")
    expect(cards.get_by_role("heading")).to_have_text(["https://videos.example/watch?v=3", "Two", "One"])
    expect(cards.nth(0).get_by_role("status")).to_contain_text("Not found")
    expect(cards.nth(1).get_by_role("link", name="Save video")).to_be_visible()
    expect(cards.nth(2).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    socket = server.socket()
    assert socket.job_id == "job-1"
    socket.send(state(4, "downloading", 65, "Downloading video", **MOVING))
    expect(cards.nth(2).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "65")
    assert server.sockets.empty()


def test_removed_cards_stay_away(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    for number in (1, 2):
        order(page, f"https://videos.example/watch?v={number}")
        server.socket()
        expect(page.locator(".card")).to_have_count(number)
    page.get_by_role("button", name="Remove from list").first.click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.get_by_role("button", name="Remove from list")).to_be_focused()
    assert stored(page) == ["job-1"]
    page.get_by_role("button", name="Remove from list").click()
    expect(page.get_by_text("No videos yet")).to_be_visible()
    expect(page.get_by_label("Video URL")).to_be_focused()


def test_the_list_is_bounded(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    old = [f"old-{number}" for number in range(50)]
    for job_id in old:
        server.jobs[job_id] = {"job_id": job_id, "url": f"https://videos.example/{job_id}"} | state(
            9, "cancelled", 40, "Cancelled", status="cancelled"
        )
    entries = [{"id": job_id, "url": "https://videos.example/", "ws_url": "ws://127.0.0.1:9/"} for job_id in old]
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, json.dumps(entries)])
    page.reload()
    expect(page.locator(".card")).to_have_count(50)
    order(page)
    expect(page.locator(".card").first).to_contain_text("watch?v=1")
    expect(page.locator(".card")).to_have_count(50)
    assert stored(page) == ["job-1", *old[:-1]]


def test_rubbish_in_the_storage_does_no_harm(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    for rubbish in ("{", "7", '[1, null, {"id": 3}, {"id": "x"}]'):
        page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, rubbish])
        page.reload()
        expect(page.get_by_text("No videos yet")).to_be_visible()
    order(page)
    expect(page.locator(".card")).to_have_count(1)


def test_another_tab_shows_the_same_list(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    other = page.context.new_page()
    other.goto(server.url)
    order(page)
    expect(page.locator(".card")).to_have_count(1)
    expect(other.locator(".card")).to_have_count(1)
    other.get_by_role("button", name="Remove from list").click()
    expect(page.locator(".card")).to_have_count(0)
