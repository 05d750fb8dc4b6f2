"""A page whose name was made to lead to this machine (DNS rebinding), in a real browser, against the real product."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from support.browser import launched
from support.origin.site import Site
from support.ports import free_port
from support.services import MakeUp

EVIL = "evil.example"
RULES = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
LIKE_OTHER_BROWSERS = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
"""Chromium's own guard against such pages, which others lack"""
ORDERED = "/status/404"
PAGE = "/attack.html"
"""what the site served while its name still led to the site"""

# What each attempt read or did, or the error by which it failed. An event stream that was only cut connects again.
ATTACK = """async ({job, link, url}) => {
  const read = async (path, options) => {
    const answer = await fetch(path, options);
    return {status: answer.status, text: await answer.text()};
  };
  const heard = (source) => new Promise((resolve) => {
    source.onmessage = (event) => resolve({status: 200, text: event.data});
    source.onerror = () => source.readyState >= EventSource.CLOSED && resolve({status: 0, text: ""});
  }).finally(() => source.close());
  const order = {method: "POST", body: JSON.stringify({url}), headers: {"content-type": "application/json"}};
  const disguised = {headers: {"x-forwarded-host": "localhost", "x-forwarded-for": "127.0.0.1"}};
  return {
    page: await read("/"),
    job: await read(`/api/jobs/${job}`),
    disguised: await read(`/api/jobs/${job}`, disguised),
    order: await read("/api/download", order),
    file: await read(link),
    socket: await heard(new WebSocket(`ws://${location.host}/ws/download/${job}`)),
    stream: await heard(new EventSource(`/sse/download/${job}`)),
  };
}"""

# A page of another origin, which may send what needs no preflight, and read nothing.
SIMPLE = """async ({target, url}) => {
  const body = JSON.stringify({url});
  for (const sent of [body, new Blob([body]), new URLSearchParams({url})])
    await fetch(`${target}/api/download`, {method: "POST", mode: "no-cors", body: sent});
  const json = {method: "POST", body, headers: {"content-type": "application/json"}};
  return fetch(`${target}/api/download`, json).then(() => "sent", () => "refused");
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched(RULES, LIKE_OTHER_BROWSERS) as started:
        yield started


def evil_page(browser: Browser, port: int) -> Page:
    """A page of the site, at that port: whatever it asks for from now on leads to this machine."""
    page = browser.new_page()
    page.set_default_timeout(30_000)

    def from_the_site(route: Route) -> None:
        route.fulfill(body="<title>evil</title>", content_type="text/html")

    page.route(f"http://{EVIL}:{port}{PAGE}", from_the_site)
    page.goto(f"http://{EVIL}:{port}{PAGE}")
    page.unroute_all()  # while there are routes, playwright answers preflights itself
    return page


def attacked(browser: Browser, stack: MakeUp, site: Site) -> dict[str, Any]:
    """What such a page gets of a job that has ended, and of the product."""
    job = stack.post(site.url("/media/clip.mp4"))
    stack.watch(job)
    link = stack.get(f"/api/jobs/{job['job_id']}/file").headers["location"].removeprefix(stack.url)
    page = evil_page(browser, stack.port)
    told = {"job": job["job_id"], "link": link, "url": site.url(ORDERED)}
    found: dict[str, Any] = page.evaluate(ATTACK, told)
    page.close()
    return found


def metrics(browser: Browser, port: int) -> int:
    """The status that such a page gets of an admin port."""
    page = evil_page(browser, port)
    status: int = page.evaluate("fetch('/metrics').then((answer) => answer.status)")
    page.close()
    return status


@pytest.mark.xdist_group("rebinding")
def test_it_can_neither_read_nor_do_anything(browser: Browser, site: Site) -> None:
    admin = free_port(2)
    with MakeUp(admin_port=str(admin)) as stack:
        found = attacked(browser, stack, site)
        assert {name: answer["status"] for name, answer in found.items()} == {
            "page": 421, "job": 421, "disguised": 421, "order": 421, "file": 421, "socket": 0, "stream": 0,
        }  # fmt: skip
        assert not site.requests(ORDERED)
        assert [metrics(browser, port) for port in (admin, admin + 1)] == [421, 421]


@pytest.mark.xdist_group("rebinding")
def test_without_the_guard_it_can(browser: Browser, site: Site) -> None:
    """The counterpart: what the test before tries does reach the product."""
    admin = free_port(2)
    with MakeUp(allowed_hosts="*", admin_port=str(admin)) as stack:
        found = attacked(browser, stack, site)
        assert {name: answer["status"] for name, answer in found.items()} == {
            "page": 200, "job": 200, "disguised": 200, "order": 202, "file": 200, "socket": 200, "stream": 200,
        }  # fmt: skip
        assert '"completed"' in found["job"]["text"]
        assert '"job_id"' in found["socket"]["text"]
        assert [metrics(browser, port) for port in (admin, admin + 1)] == [200, 200]


@pytest.mark.xdist_group("folder")
def test_a_page_of_another_origin_can_not_order_a_download(browser: Browser, folder_stack: MakeUp, site: Site) -> None:
    accepted = folder_stack.log.count("job accepted")
    page = evil_page(browser, 80)
    said = page.evaluate(SIMPLE, {"target": folder_stack.url, "url": site.url("/media/clip.mp4")})
    page.close()
    assert said == "refused"
    assert folder_stack.log.count("job accepted") == accepted
