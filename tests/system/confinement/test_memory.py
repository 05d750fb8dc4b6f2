"""A site whose answers take more memory than a child may have: its download ends, and is not tried again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.children import download
from support.origin.site import Site
from support.origin.wire import text
from support.zygotes import LOOPBACK
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker

pytestmark = pytest.mark.anyio

MEMORY = 160 * 1024**2
"""bytes: hardly more than a child has at first"""
OBJECT = '{"abcdefgh": {}}'
PAGES = {
    "one long text": f"<html>{'x' * 60 * 1024**2}",
    "many small objects": f'<script type="application/ld+json">[{",".join([OBJECT] * 300_000)}]</script>',
}


@pytest.fixture(scope="module")
async def small(worker_environment: pytest.MonkeyPatch) -> AsyncIterator[Zygote]:
    """Its children have hardly more memory than they take at first."""
    zygote = Zygote(Broker(LOOPBACK), Confinement(memory=MEMORY))
    await zygote.start()
    yield zygote
    await zygote.close()


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_that_takes_too_much_memory_is_given_up(
    page: str, small: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(small, tmp_path, site.put("/page", text(PAGES[page], "html")))

    assert outcome.failure == ErrorCode.RESOURCES_EXCEEDED, outcome.events[-1]
    assert not ErrorCode.RESOURCES_EXCEEDED.retryable


async def test_a_page_that_takes_little_is_read(small: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(small, tmp_path, site.put("/page", text("<html>Nothing", "html")))

    assert outcome.failure == ErrorCode.UNSUPPORTED_SITE, outcome.events[-1]
