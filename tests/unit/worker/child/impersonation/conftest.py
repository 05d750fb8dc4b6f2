from collections.abc import Iterator

import certifi
import pytest
from yt_dlp import YoutubeDL

from support.impersonation import Broker
from support.tls_origin import TlsOrigin
from vidferry_worker.child import cookies
from vidferry_worker.child.impersonation.handler import BrokeredCurlCFFIRH
from vidferry_worker.child.patches import impersonation


@pytest.fixture(scope="module", params=["h2", "http/1.1"])
def tls_origin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsOrigin]:
    with TlsOrigin(tmp_path_factory.mktemp("tls"), name="*.sites.test", alpn=(request.param,)) as origin:
        yield origin


@pytest.fixture
def broker(tls_origin: TlsOrigin, monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    tls_origin.requests_per_connection = 10**9
    monkeypatch.setattr(certifi, "where", lambda: str(tls_origin.certificate))
    monkeypatch.setattr(BrokeredCurlCFFIRH, "connect", broker.connect, raising=False)
    return broker


@pytest.fixture
def ydl(broker: Broker) -> Iterator[YoutubeDL]:
    impersonation.install()
    with YoutubeDL({"quiet": True, "proxy": ""}) as made:
        yield made
        cookies.put_into_jar(made.cookiejar, ())
