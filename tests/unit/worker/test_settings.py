from ipaddress import ip_network

import pytest

from vidferry_worker.network.proxy import Proxy
from vidferry_worker.settings import WorkerSettings


def settings(**values: str) -> WorkerSettings:
    return WorkerSettings.model_validate({"bucket": "file:///tmp/x", **values})


def test_what_may_be_reached_is_read_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDFERRY_EGRESS_ALLOW", "127.0.0.0/8, fd00::/8,")
    monkeypatch.setenv("VIDFERRY_EGRESS_PORTS", "8000, 9000")
    read = settings()

    assert read.egress_allow == (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    assert read.egress_ports == {8000, 9000}
    assert settings(egress_allow="", egress_ports="").egress_allow == ()
    assert settings(egress_deny="34.9.0.0/16").egress_deny == (ip_network("34.9.0.0/16"),)


@pytest.mark.parametrize(
    "values",
    [{"egress_allow": "10.0.0.1/8"}, {"egress_allow": "all"}, {"egress_ports": "0"}, {"egress_ports": "70000"},
     {"egress_ports": "http"}],
)  # fmt: skip
def test_wrong_ranges_and_ports_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"egress_"):
        settings(**values)


def test_the_settings_make_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDFERRY_EGRESS_PROXY", "socks5://proxy.example")
    monkeypatch.setenv("VIDFERRY_EGRESS_PROXY_USERNAME", "user")
    monkeypatch.setenv("VIDFERRY_EGRESS_PROXY_PASSWORD", "kept-for-the-proxy")
    read = settings()

    assert read.proxy == Proxy("socks5", "proxy.example", 1080, "user", "kept-for-the-proxy")
    assert "kept-for-the-proxy" not in repr(read)
    assert settings(egress_proxy="").proxy is None
    assert settings(egress_proxy="http://[2001:db8::1]:8888").proxy == Proxy(
        "http", "2001:db8::1", 8888, "user", "kept-for-the-proxy"
    )


@pytest.mark.parametrize(
    "url", ["proxy:3128", "https://proxy", "http://user:secret@proxy", "http://", "http://proxy/path", "http://a:99999"]
)
def test_wrong_proxies_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"egress_proxy"):
        settings(egress_proxy=url)


def test_an_attempt_may_not_outlast_its_record() -> None:
    with pytest.raises(ValueError, match="VIDFERRY_RECORD_DAYS must be longer than VIDFERRY_MAX_SECONDS"):
        settings(record_days="0.25", max_seconds=str(6 * 3600))
