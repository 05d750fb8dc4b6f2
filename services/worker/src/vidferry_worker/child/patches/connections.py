"""Replaces create_connection() of yt-dlp's request handlers.

By itself, yt-dlp opens sockets; with the patch, the worker opens and connects them. The handler for `requests` uses
urllib3, whose function has the same name and arguments. The one for libcurl asks for a socket itself.
"""

import socket
from typing import Any

import urllib3.util.connection
from yt_dlp.networking import _helper, _requests, _urllib, _websockets

from vidferry_worker.child.channel import Channel
from vidferry_worker.child.impersonation.handler import BrokeredCurlCFFIRH

DEFAULT_TIMEOUT = 20.0
"""seconds"""


def install(channel: Channel) -> None:
    """Installs the patch in all request handlers of this process."""

    def create_connection(address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any) -> socket.socket:
        host, port = address
        seconds = timeout if isinstance(timeout, int | float) else DEFAULT_TIMEOUT
        return channel.connect(host, port, float(seconds))

    for module in (_helper, _urllib, _requests, _websockets, urllib3.util.connection):
        setattr(module, "create_connection", create_connection)  # noqa: B010 - not every module declares it
    BrokeredCurlCFFIRH.connect = channel.connect
