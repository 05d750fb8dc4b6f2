"""Zygotes as a worker starts them, for tests that fork children themselves."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from support import ffmpeg
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy

SECRET = "not-for-children-0123456789abcdef"
LOOPBACK = EgressPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")), frozenset())


@contextmanager
def environment_of_a_worker() -> Iterator[pytest.MonkeyPatch]:
    """Of the process that starts zygotes: ffmpeg can be found, and a secret must not be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", ffmpeg.path_with_ffmpeg())
        patch.setenv("VIDFERRY_SIGNING_KEY", SECRET)
        yield patch


@pytest.fixture(scope="module")
def worker_environment() -> Iterator[pytest.MonkeyPatch]:
    with environment_of_a_worker() as patch:
        yield patch


@pytest.fixture(scope="session")
async def warm_zygote() -> AsyncIterator[Zygote]:
    """One for all tests of a process: its start costs more than all children of a module."""
    warm = Zygote(Broker(LOOPBACK))
    with environment_of_a_worker():
        await warm.start()
    yield warm
    await warm.close()


@pytest.fixture(scope="module")
def zygote(worker_environment: pytest.MonkeyPatch, warm_zygote: Zygote) -> Zygote:
    return warm_zygote
