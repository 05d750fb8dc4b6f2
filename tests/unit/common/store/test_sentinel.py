"""The address that names Sentinels, and the settings around it."""

import pytest
from redis.asyncio.connection import SSLConnection

from vidferry_common.settings import load_settings
from vidferry_common.store import RedisSettings
from vidferry_common.store.client import connection_options
from vidferry_common.store.sentinel import SentinelUrl


@pytest.mark.parametrize(
    ("url", "hosts", "name", "server"),
    [
        ("redis+sentinel://a:1,b:2/m/3", (("a", 1), ("b", 2)), "m", "redis://primary/3"),
        ("redis+sentinel://a,10.0.0.1/my-master", (("a", 26379), ("10.0.0.1", 26379)), "my-master", "redis://primary/0"),
        ("rediss+sentinel://[::1]:1,[fd00::2]/m?ssl_ca_certs=/a/b.crt", (("::1", 1), ("fd00::2", 26379)), "m",
         "rediss://primary/0?ssl_ca_certs=/a/b.crt"),
    ],
)  # fmt: skip
def test_what_it_says(url: str, hosts: tuple[tuple[str, int], ...], name: str, server: str) -> None:
    assert SentinelUrl.parse(url) == SentinelUrl(hosts, name, server)


def test_other_addresses_name_none() -> None:
    assert SentinelUrl.parse("redis://sentinel:6379/0") is None


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1",
        "redis+sentinel:///m",
        "redis+sentinel://a:1,/m",
        "redis+sentinel://a:b/m",
        "redis+sentinel://a/m/db",
        "http+sentinel://a/m",
    ],
)
def test_a_wrong_one_ends_the_program_with_a_sentence(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDFERRY_REDIS_URL", url)
    with pytest.raises(SystemExit):
        load_settings(RedisSettings)
    said = capsys.readouterr().err
    assert said.startswith("VIDFERRY_REDIS_URL: ")
    assert "must be redis+sentinel://host:26379,host:26379/master-name/db, or rediss+sentinel://" in said


def test_a_password_in_it_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDFERRY_REDIS_URL", "redis+sentinel://me:word@a/m")
    with pytest.raises(SystemExit):
        load_settings(RedisSettings)
    assert "VIDFERRY_REDIS_PASSWORD" in (said := capsys.readouterr().err)
    assert "word@" not in said


def test_with_tls_the_servers_name_is_checked() -> None:
    options = connection_options(RedisSettings.model_validate({"redis_url": "rediss+sentinel://a/m"}))
    assert issubclass(options["connection_class"], SSLConnection)
    assert options["ssl_check_hostname"]
