"""The documented examples for a browser, as they stand."""

from playwright.sync_api import expect

from support.browser import OpenPage
from support.gateway_fixtures import StartGateway
from support.redis_server import RedisServer
from system.clients.conftest import OUTAGES
from system.clients.front import Front
from system.clients.world import World

FOLLOW = """async ([url]) => {
  const { follow } = await import("./follow.js");
  follow(url, document.querySelector("progress"), document.querySelector("p"));
}"""
DOWNLOAD = """async ([url]) => {
  const { Download } = await import("./download.js");
  window.root = ReactDOM.createRoot(document.querySelector("div"));
  window.show = (wsUrl) =>
    root.render(React.createElement(React.StrictMode, null, React.createElement(Download, { wsUrl })));
  show(url);
}"""


UNKNOWN = "00000000-0000-4000-8000-00000000ffff"


def test_the_examples_in_a_browser(
    told: World, start_gateway: StartGateway, shared_redis: RedisServer, open_page: OpenPage, site: str
) -> None:
    gateway = start_gateway(shared_redis.url)
    gateway.wait_for("connected to Redis")
    page = open_page(site)
    figure, bar, text = page.locator("figure"), page.locator("body > progress"), page.locator("body > p")
    with Front(told.portal, gateway.port) as front:
        page.evaluate(FOLLOW, [front.url(told.job.id)])
        page.evaluate(DOWNLOAD, [None])
        expect(figure).to_contain_text("…")
        page.evaluate("(url) => show(url)", front.url(told.job.id))
        told.steps(0, 11)
        expect(figure.get_by_role("listitem")).to_have_count(11)
        expect(figure).to_have_attribute("data-connection", "live")
        told.finish()
        expect(figure).to_have_attribute("data-connection", "ended")
        expect(figure.get_by_role("progressbar")).to_have_js_property("value", 100)
        expect(bar).to_have_js_property("value", 100)
        expect(text).to_have_text("Done")

        page.evaluate(FOLLOW, [front.url(UNKNOWN)])
        page.evaluate("(url) => show(url)", front.url(UNKNOWN))
        expect(page.locator("div")).to_have_text("Not connected (4504).")
        expect(text).to_have_text("Not connected (4504).")


def test_an_unmounted_component_leaves_its_job(
    told: World, start_gateway: StartGateway, shared_redis: RedisServer, open_page: OpenPage, site: str
) -> None:
    gateway = start_gateway(shared_redis.url)
    gateway.wait_for("connected to Redis")
    page = open_page(site, expected=OUTAGES)  # strict mode's first socket is closed before it is open
    with Front(told.portal, gateway.port) as front:
        page.evaluate(DOWNLOAD, [front.url(told.job.id)])
        told.steps(0, 1)
        expect(page.locator("li")).to_have_count(1)
        page.evaluate("root.unmount()")
        front.wait_for(lambda: front.open == 0)
