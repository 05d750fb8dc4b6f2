import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from support.tls_origin import TlsOrigin
from support.trust import python_that_trusts
from support.zygotes import LOOPBACK, environment_of_a_worker
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker


@pytest.fixture(scope="session")
def tls_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsOrigin]:
    with TlsOrigin(tmp_path_factory.mktemp("tls")) as origin:
        yield origin


@pytest.fixture(scope="session")
async def trusting_zygote(tls_origin: TlsOrigin) -> AsyncIterator[Zygote]:
    """Its children trust the origin's certificate, and are confined as a worker's."""
    certificate = tls_origin.certificate
    zygote = Zygote(Broker(LOOPBACK), Confinement(readable=(str(certificate),)))
    with environment_of_a_worker() as patch:
        patch.setattr(sys, "executable", str(python_that_trusts(certificate)))
        await zygote.start()
    assert zygote.missing_sandbox_parts == []
    yield zygote
    await zygote.close()
