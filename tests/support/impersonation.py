"""Requests that impersonate a browser, and the broker of a test that sends them without a child."""

import socket
from typing import Any

from yt_dlp.networking.common import Request
from yt_dlp.networking.impersonate import ImpersonateTarget

from support.children import open_files

CHROME = ImpersonateTarget("chrome")


class Broker:
    """Connects as the worker's does, to the origins by the names that a test gave them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.places: dict[tuple[str, int], tuple[str, int]] = {}
        self.refusal: Exception | None = None
        self.sockets: set[str] = set()
        """as open_sockets() names them"""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        self.asked.append((host, port))
        if self.refusal:
            raise self.refusal
        connected = socket.create_connection(self.places.get((host, port), (host, port)), timeout)
        connected.settimeout(timeout)
        self.sockets.add(open_files()[connected.fileno()])
        return connected


def open_sockets() -> set[str]:
    """The sockets of this process, by names that are never used again."""
    return set(open_files().values())


def as_browser(url: str, timeout: float = 60, **fields: Any) -> Request:
    return Request(url, extensions={"impersonate": CHROME, "timeout": timeout}, **fields)
