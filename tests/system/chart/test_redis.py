"""The bundled Redis keeps what it accepted; another one takes its place whole."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.retry import Retry

from support.chart import nested, render
from support.redis_server import program as redis_program
from system.chart.value_sets import EXTERNAL_REDIS, REDIS_TLS, SENTINEL, SENTINEL_TLS


def test_the_bundled_one_loses_nothing() -> None:
    config = render().get("ConfigMap", "redis")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "dir /data"} <= set(config)
    spec = render().get("StatefulSet", "redis")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"][-2:] == ["--requirepass", "$(REDISCLI_AUTH)"]


def test_its_pod_has_a_name_by_a_headless_service() -> None:
    headless = render().get("Service", render().get("StatefulSet", "redis")["spec"]["serviceName"].partition("-")[2])
    assert headless["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in render().get("Service", "redis")["spec"]


def test_its_image_comes_from_the_registry_of_all_images() -> None:
    def image(values: dict[str, Any]) -> str:
        (container,) = render(values).get("StatefulSet", "redis")["spec"]["template"]["spec"]["containers"]
        return str(container["image"])

    assert image(nested("image.registry", "r.example/a")) == "r.example/a/valkey/valkey:8.1"
    own = {"image": {"registry": "r.example"}, **nested("redis.bundled.image.registry", "docker.io")}
    assert image(own) == "docker.io/valkey/valkey:8.1"


@pytest.mark.parametrize(("answer", "healthy"), [("PONG", True), ("NOAUTH", False), ("LOADING", False)])
def test_its_probes_want_the_answer_and_not_the_exit(tmp_path: Path, answer: str, healthy: bool) -> None:
    """redis-cli exits with 0 also where Redis refuses."""
    program = tmp_path / "redis-cli"
    program.write_text(f"#!/bin/sh\ntest $# = 1 && echo '{answer}'\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    (container,) = render().get("StatefulSet", "redis")["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        done = subprocess.run(container[probe]["exec"]["command"], env={"PATH": path}, check=False)
        assert (done.returncode == 0) == healthy


def test_the_password_is_made_at_random() -> None:
    first, second = (render({"recordDays": days}).get("Secret", "redis")["data"]["redis-password"] for days in (1, 2))
    assert len(first) > 40
    assert first != second


def test_with_another_one_the_bundled_is_gone() -> None:
    rendered = render(EXTERNAL_REDIS)
    assert not [each for each in rendered.resources if each["metadata"]["name"] == "vidferry-redis"]
    assert render(EXTERNAL_REDIS).settings("api")["VIDFERRY_REDIS_URL"] == "redis://redis.example.org:6379/0"


def test_another_one_is_reached_by_tls_with_an_authority_of_its_own() -> None:
    rendered = render(REDIS_TLS)
    for name in ("api", "worker", "gateway"):
        settings = rendered.settings(name)
        address = "rediss://redis.example.org:6380/2?ssl_ca_certs=/etc/vidferry/redis/ca.crt"
        assert settings["VIDFERRY_REDIS_URL"] == address
        assert settings["VIDFERRY_REDIS_USERNAME"] == "vidferry"
        (container,) = rendered.pod(name)["containers"]
        assert {"name": "redis-ca", "mountPath": "/etc/vidferry/redis", "readOnly": True} in container["volumeMounts"]


def test_sentinels_take_its_place_too() -> None:
    rendered = render(SENTINEL)
    assert not [each for each in rendered.resources if each["metadata"]["name"] == "vidferry-redis"]
    for name in ("api", "worker", "gateway"):
        settings = rendered.settings(name)
        assert settings["VIDFERRY_REDIS_URL"] == "redis+sentinel://redis-0.redis:26379,redis-1.redis:26380/mymaster/0"
        assert settings["VIDFERRY_REDIS_SENTINEL_USERNAME"] == "asker"
        (container,) = rendered.pod(name)["containers"]
        secrets = {
            each["name"]: each["valueFrom"]["secretKeyRef"]
            for each in container["env"]
            if "secretKeyRef" in each.get("valueFrom", {})
        }
        assert secrets["VIDFERRY_REDIS_PASSWORD"] == {"name": "redis-secret", "key": "redis-password"}
        assert secrets["VIDFERRY_REDIS_SENTINEL_PASSWORD"] == {"name": "sentinel-secret", "key": "sentinel-password"}


def test_sentinels_are_reached_by_tls_with_an_authority_of_their_own() -> None:
    rendered = render(SENTINEL_TLS)
    for name in ("api", "worker", "gateway"):
        assert rendered.settings(name)["VIDFERRY_REDIS_URL"] == (
            "rediss+sentinel://redis-0.redis:26379,redis-1.redis:26380/mymaster/2"
            "?ssl_ca_certs=/etc/vidferry/redis/ca.crt"
        )
        (container,) = rendered.pod(name)["containers"]
        assert {"name": "redis-ca", "mountPath": "/etc/vidferry/redis", "readOnly": True} in container["volumeMounts"]


def test_a_real_server_takes_its_configuration_and_hides_the_password(tmp_path: Path) -> None:
    config = render(nested("redis.bundled.config", "io-threads 2")).get("ConfigMap", "redis")["data"]["redis.conf"]
    file = tmp_path / "redis.conf"
    file.write_text(config.replace("dir /data", f"dir {tmp_path}"))
    with tempfile.TemporaryDirectory(prefix="vidferry-redis-") as folder:
        path = f"{folder}/socket"
        command = [redis_program(), str(file), "--requirepass", "secret-word", "--port", "0", "--unixsocket", path]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                retry = Retry(ConstantBackoff(0.1), 100, supported_errors=(OSError, BusyLoadingError))
                client = Redis(unix_socket_path=path, password="secret-word", retry=retry, decode_responses=True)
                wanted = {
                    "appendonly": "yes",
                    "appendfsync": "always",
                    "maxmemory": str(384 * 1024**2),
                    "maxmemory-policy": "noeviction",
                    "io-threads": "2",
                    "save": "",
                }
                told: Any = client.config_get("*")
                assert {name: told[name] for name in wanted} == wanted
                with pytest.raises(AuthenticationError):
                    Redis(unix_socket_path=path).ping()
                assert b"secret-word" not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
            finally:
                server.terminate()
