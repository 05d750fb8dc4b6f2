"""Vidferry as a person has it: Chromium, which comes in through the controller as it would from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, WebSocket

from support.browser import launched, watched_page
from system.cluster.around import STORAGE
from system.cluster.keys import CLIENT_KEY
from system.cluster.settings import HOST, INGRESS, INGRESS_HTTP, S3_HOST

PLACES = {f"{HOST}:443": INGRESS, f"{S3_HOST}:443": INGRESS, urlsplit(STORAGE).netloc: INGRESS_HTTP}
"""What names stand for outside the cluster. No DNS knows them; the browser asks by these names all the same."""


@dataclass
class Sockets:
    """The WebSockets that a page has opened, and what each was sent."""

    received: dict[str, list[Any]] = field(default_factory=dict)

    def opened(self, socket: WebSocket) -> None:
        frames = self.received.setdefault(socket.url, [])
        socket.on("framereceived", lambda frame: frames.append(frame))  # noqa: PLW0108 - a built-in can not be marked


@contextmanager
def person() -> Iterator[tuple[Page, Sockets]]:
    """At Vidferry's page, with a key. The certificate signs itself, which a person would have to accept too."""
    names = ", ".join(f"MAP {name} {place}" for name, place in PLACES.items())
    # Cloud Storage serves https. Its stand-in here doesn't, and a page of https may save from nowhere else.
    secure = f"--unsafely-treat-insecure-origin-as-secure={STORAGE}"
    with (
        launched(f"--host-resolver-rules={names}", secure) as browser,
        watched_page(browser, (), {"ignore_https_errors": True}) as page,
    ):
        sockets = Sockets()
        page.on("websocket", sockets.opened)
        page.goto(f"https://{HOST}/")
        page.get_by_label("API key or token").fill(CLIENT_KEY)
        page.get_by_role("button", name="Use this key").click()
        yield page, sockets
