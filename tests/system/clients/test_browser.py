"""A gateway that is gone for a minute of the clients' own clock, which the test moves; the connections are real."""

from playwright.sync_api import Page

from support.browser import OpenPage
from support.gateway_fixtures import StartGateway
from support.redis_server import RedisServer
from support.watchers import STEPS
from system.clients.conftest import OUTAGES
from system.clients.front import Front
from system.clients.watchers import JavaScript
from system.clients.world import World

MINUTE = 60.0
CAP = 15
COUNT_ATTEMPTS = """() => {
  window.sockets = [];
  window.gone = 0;
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      window.sockets.push(this);
      this.addEventListener("close", () => { window.gone += 1; });
    }
  };
}"""


def test_a_minute_without_a_gateway(
    told: World, start_gateway: StartGateway, shared_redis: RedisServer, open_page: OpenPage, site: str
) -> None:
    gateway = start_gateway(shared_redis.url)
    gateway.wait_for("connected to Redis")
    page = open_page(site, expected=OUTAGES, alone=True)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.evaluate(COUNT_ATTEMPTS)
    with Front(told.portal, gateway.port) as front:
        watcher = JavaScript(page, front.url(told.job.id), {})
        told.steps(0, 3)
        watcher.wait_for_steps(3)
        gateway.close()
        told.steps(3, 11)
        _seconds(page, MINUTE)
        assert page.evaluate("sockets.length") == front.passed + front.refused
        assert front.refused >= MINUTE / CAP, "it went on asking"

        back = start_gateway(shared_redis.url)
        back.wait_for("connected to Redis")
        front.targets = [back.port]
        _seconds(page, CAP)
        watcher.wait_for_steps(11)
        told.finish()
        watcher.wait_for_end()
    assert (watcher.steps(), watcher.ends()) == (STEPS, 1)


def _seconds(page: Page, seconds: float) -> None:
    """Moves the page's clock on; what it connects to takes time of its own."""
    for _ in range(int(seconds)):
        _settled(page)
        page.clock.run_for(1000)
    _settled(page)


def _settled(page: Page) -> None:
    """Each connection that was refused is known to be."""
    page.wait_for_function("() => sockets.length === gone || sockets.at(-1).readyState === 1")
