"""The bundled Redis keeps what it accepted; another one takes its place whole."""

import os
import subprocess
from pathlib import Path

import pytest

from helm.value_sets import EXTERNAL_REDIS, REDIS_TLS
from support.chart import render


def test_the_bundled_one_loses_nothing() -> None:
    config = render().get("ConfigMap", "redis")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "dir /data"} <= set(config)
    spec = render().get("StatefulSet", "redis")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"][-2:] == ["--requirepass", "$(REDISCLI_AUTH)"]


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
