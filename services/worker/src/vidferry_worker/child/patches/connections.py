"""Every connection of yt-dlp's request handlers goes through one function; here it asks the worker for the socket.

The handler on requests has its plain connections made by urllib3, in a function of the same name and arguments.
"""

import socket
from typing import Any

import urllib3.util.connection
from yt_dlp.networking import _helper, _requests, _urllib, _websockets

from vidferry_worker.child.channel import Channel

DEFAULT_TIMEOUT = 20.0
"""seconds"""


def install(channel: Channel) -> None:
    """From here on, no request handler of this process opens a socket itself."""

    def create_connection(address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any) -> socket.socket:
        host, port = address
        seconds = timeout if isinstance(timeout, int | float) else DEFAULT_TIMEOUT
        return channel.connect(host, port, float(seconds))

    for module in (_helper, _urllib, _requests, _websockets, urllib3.util.connection):
        setattr(module, "create_connection", create_connection)  # noqa: B010 - not every module declares it
