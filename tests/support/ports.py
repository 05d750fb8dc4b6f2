"""Ports for servers that tests start."""

import random
import socket

_BELOW_EPHEMERAL = range(10_000, 32_000)
"""The system takes none of them for a connection's own end (ip_local_port_range), which could come first."""


def free_port(count: int = 1) -> int:
    """A TCP port on loopback that nothing has now, the first of count neighbours.

    Drawn by lot, since other suites draw beside this one.
    """
    lot = random.SystemRandom()
    while True:
        port = lot.choice(_BELOW_EPHEMERAL)
        if all(map(_is_free, range(port, port + count))):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Not SO_REUSEADDR: what waits for a former listener's last packets is not free either.
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
