"""The page where Vidferry asks for a key: it asks once, keeps the key, and forgets it."""

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from support.browser import OpenPage
from system.page.scripted import PREFIX, Scripted, state

KEY = f"vidferry:key:{PREFIX}/"
JOBS = f"vidferry:jobs:{PREFIX}/"
VIDEO = "https://videos.example/watch?v=1"
UNAUTHORIZED = "status of 401"
FORBIDDEN = "status of 403"


def ask_for_keys(server: Scripted, *keys: str, lacking: str = "", issuer: str | None = None) -> None:
    server.access = {"mode": "oidc" if issuer else "keys", "issuer": issuer}
    server.scopes = dict.fromkeys(keys, lacking)


def key_field(page: Page) -> Locator:
    return page.get_by_label("API key or token")


def enter(page: Page, key: str) -> None:
    key_field(page).fill(key)
    key_field(page).press("Enter")


def sign_in(page: Page, key: str) -> None:
    """Enters a key and waits until it is accepted: a request before that goes without it."""
    enter(page, key)
    expect(key_field(page)).to_be_hidden()


def order(page: Page, url: str = VIDEO) -> None:
    page.get_by_label("Video URL").fill(url)
    page.get_by_role("button", name="Download video").click()


def stored(page: Page, name: str = KEY) -> Any:
    return page.evaluate("name => localStorage.getItem(name)", name)


def links(server: Scripted, job_id: str = "job-1", ticket: str = "first") -> dict[str, Any]:
    """A completed job, whose links carry a ticket."""
    address = f"{server.url}api/jobs/{job_id}"
    result = {
        "title": "Harbour at dawn", "duration": 185.2, "size": 84_200_000, "media_type": "video/mp4",
        "url": "https://bucket.example/signed", "expires_at": "2099-01-01T10:00:00Z",
        "file_url": f"{address}/file?ticket={ticket}", "reused": False,
    }  # fmt: skip
    thumbnail = f"{address}/thumbnail?ticket={ticket}"
    return state(9, "done", 100, "Done", status="completed", title=result["title"], result=result, thumbnail=thumbnail)


def test_where_nobody_needs_a_key_nothing_is_to_be_seen(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url)
    order(page)
    server.socket()
    expect(page.locator(".card")).to_be_visible()
    expect(key_field(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Forget key")).to_have_count(0)
    asked = [(method, path) for method, path, _ in server.requests]
    assert asked == [("GET", "/api/access"), ("POST", "/api/download")]
    assert not page.evaluate("performance.getEntriesByType('resource').some(each => each.name.includes('access.js'))")
    assert {authorization for _, _, authorization in server.requests} == {None}


def test_an_api_of_an_older_release_needs_no_key(server: Scripted, open_page: OpenPage) -> None:
    server.access = None
    page = open_page(server.url, expected=["status of 404"])
    order(page)
    server.socket()
    expect(page.locator(".card")).to_be_visible()
    expect(key_field(page)).to_have_count(0)


def test_a_key_is_asked_for_once_and_kept(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url, expected=[UNAUTHORIZED])
    field = key_field(page)
    expect(field).to_be_visible()
    expect(field).to_have_attribute("type", "password")
    expect(page.get_by_text("Its operator can give you one")).to_be_visible()
    expect(page.get_by_role("button", name="Forget key")).to_be_hidden()

    enter(page, "")
    expect(page.get_by_role("alert")).to_contain_text(["Paste your key first."])
    enter(page, "two words")
    expect(page.get_by_role("alert")).to_contain_text(["no spaces"])
    enter(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text(["does not know this key"])
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert stored(page) is None
    enter(page, "  right ")
    expect(field).to_be_hidden()
    expect(page.get_by_label("Video URL")).to_be_focused()
    assert stored(page) == "right"

    order(page)
    server.socket()
    expect(page.locator(".card")).to_be_visible()
    assert ("POST", "/api/download", "Bearer right") in server.requests
    page.reload()
    expect(page.locator(".card")).to_be_visible()
    expect(page.get_by_role("button", name="Forget key")).to_be_visible()
    expect(field).to_be_hidden()
    paths = " ".join(path for _, path, _ in server.requests)
    assert "right" not in paths + page.url + page.title()


def test_a_token_of_the_issuer_is_named(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right", issuer="https://login.example")
    page = open_page(server.url)
    expect(page.get_by_text("A token of https://login.example works too.")).to_be_visible()


def test_what_was_typed_stays_when_a_key_is_asked_for(server: Scripted, open_page: OpenPage) -> None:
    page = open_page(server.url, expected=[UNAUTHORIZED])
    ask_for_keys(server, "right")  # since the page was loaded
    page.get_by_label("Quality").select_option("720")
    order(page)
    expect(key_field(page)).to_be_focused()
    expect(page.get_by_label("Video URL")).to_have_value(VIDEO)
    sign_in(page, "right")
    expect(page.get_by_role("alert").filter(has_text="Send an API key.")).to_have_count(0)
    page.get_by_label("Video URL").press("Enter")
    server.socket()
    assert server.order().body == {"url": VIDEO, "format": {"quality": "720", "container": "any"}}


def test_a_key_that_works_no_longer(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "old")
    page = open_page(server.url, expected=[UNAUTHORIZED])
    sign_in(page, "old")
    order(page)
    server.socket().send(state(3, "started", 5, "Processing started"))
    expect(page.locator(".card")).to_contain_text("Processing started")
    server.scopes = {"new": ""}
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="no longer works")).to_be_visible()
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Locked")
    expect(page.locator(".card")).to_contain_text("Enter an API key to see this job.")
    enter(page, "new")
    expect(key_field(page)).to_be_hidden()
    assert server.socket().job_id == "job-1"
    expect(page.locator(".card").get_by_role("status")).not_to_contain_text("Locked")


def test_a_missing_scope_is_named(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "reader", lacking="jobs:write")
    page = open_page(server.url, expected=[FORBIDDEN])
    sign_in(page, "reader")
    order(page)
    expect(page.get_by_role("alert").filter(has_text="the scope jobs:write")).to_be_visible()
    expect(key_field(page)).to_be_hidden()
    expect(page.get_by_label("Video URL")).to_have_value(VIDEO)

    page.get_by_role("button", name="Forget key").click()
    server.scopes = {"writer": "jobs:read"}
    enter(page, "writer")
    expect(page.get_by_role("alert").filter(has_text="the scope jobs:read")).to_be_visible()
    expect(key_field(page)).to_be_hidden()


def test_the_key_is_forgotten_with_its_list(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url)
    sign_in(page, "right")
    order(page)
    server.socket()
    expect(page.locator(".card")).to_be_visible()
    other = page.context.new_page()
    other.goto(server.url)
    expect(other.locator(".card")).to_be_visible()

    page.get_by_role("button", name="Forget key").click()
    expect(key_field(page)).to_be_focused()
    expect(page.get_by_role("button", name="Forget key")).to_be_hidden()
    expect(key_field(other)).to_be_visible()
    for each in (page, other):
        expect(each.locator(".card")).to_have_count(0)
    assert stored(page) is None
    assert json.loads(stored(page, JOBS)) == []
    assert "right" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_key_given_in_another_tab_is_used(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url)
    expect(key_field(page)).to_be_visible()
    other = page.context.new_page()
    other.goto(server.url)
    enter(other, "right")
    expect(key_field(page)).to_be_hidden()
    order(page)
    server.socket()
    assert ("POST", "/api/download", "Bearer right") in server.requests


def test_links_are_renewed_when_their_tickets_expire(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url, expected=[UNAUTHORIZED])
    sign_in(page, "right")
    order(page)
    socket = server.socket()
    server.jobs["job-1"] |= links(server)
    socket.send(links(server))
    socket.close(1000)
    picture = page.locator(".card img")
    expect(picture).to_be_visible()

    server.ticket = "second"
    server.jobs["job-1"] |= links(server, ticket="second")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save video").click()
    assert download.value.suggested_filename == "a.mp4"
    expect(picture).to_have_attribute("src", re.compile("ticket=second"))
    expect(picture).to_be_visible()
    assert not [path for _, path, _ in server.requests if path.endswith("/file?ticket=first")]


def test_a_picture_whose_ticket_has_expired_is_asked_for_anew(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url, expected=[UNAUTHORIZED])
    sign_in(page, "right")
    order(page)
    socket = server.socket()
    server.jobs["job-1"] |= links(server)
    socket.send(links(server, ticket="expired"))
    expect(page.locator(".card img")).to_be_visible()
    reads = [path for method, path, _ in server.requests if (method, path) == ("GET", "/api/jobs/job-1")]
    assert len(reads) == 1


def test_a_socket_whose_ticket_has_expired_is_opened_with_a_fresh_one(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url)
    sign_in(page, "right")
    order(page)
    socket = server.socket()
    socket.send(state(4, "started", 5, "Processing started"))
    expect(page.locator(".card")).to_contain_text("Processing started")
    server.jobs["job-1"]["ws_url"] = f"{server.ws_root}/ws/download/job-1?ticket=second"
    server.jobs["job-1"] |= state(4, "started", 5, "Processing started")
    socket.close(4401)
    again = server.socket()
    assert (again.ticket, again.after) == ("second", "0000e1e1-4")


def test_a_kept_job_is_read_before_it_is_watched(server: Scripted, open_page: OpenPage) -> None:
    ask_for_keys(server, "right")
    page = open_page(server.url)
    sign_in(page, "right")
    order(page)
    server.socket()
    server.jobs["job-1"]["ws_url"] = f"{server.ws_root}/ws/download/job-1?ticket=second"
    page.reload()
    assert server.socket().ticket == "second"


def test_a_socket_is_given_up_with_the_key(server: Scripted, open_page: OpenPage) -> None:
    """And watched again with the next one."""
    ask_for_keys(server, "old")
    page = open_page(server.url, expected=[UNAUTHORIZED])
    sign_in(page, "old")
    order(page)
    socket = server.socket()
    server.scopes = {"new": ""}
    socket.close(4401)
    expect(page.locator(".card").get_by_role("status")).to_contain_text("Locked")
    enter(page, "new")
    assert server.socket().job_id == "job-1"
    assert server.sockets.empty()
