from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.gateway_fixtures import start_gateway
from support.sentinel import SentinelProcess, SentinelSet, sentinel_set

__all__ = ["start_gateway"]

Watch = Callable[..., SentinelProcess]


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A set of its own for each test: all of them move the primary."""
    with sentinel_set() as found:
        yield found


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts single Sentinels that watch a server."""
    with ExitStack() as stack:

        def start(primary: int, *lines: str, **options: str) -> SentinelProcess:
            process = SentinelProcess(primary, 1, *lines)
            stack.callback(process.close)
            return process.start(**options)

        yield start
