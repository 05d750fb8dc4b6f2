"""The three images at work: a job from POST to its link, each program as nobody on a read-only root."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.origin.site import Site
from support.ports import free_port
from support.redis_server import redis_server
from support.watchers import Watcher
from system.images.container import VOLUMES, Container

pytestmark = [pytest.mark.images, pytest.mark.timeout(900), pytest.mark.xdist_group("images")]

START_SECONDS = 60


@contextlib.contextmanager
def running(container: Container, log: Path, bucket: Path, env: dict[str, str]) -> Iterator[None]:
    """The image's program; it must end by itself at SIGTERM."""
    process = container.start(log, [bucket], env)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        # uvicorn ends by raising the signal again, which the first process of a container doesn't die of.
        assert process.wait(30) in {0, -signal.SIGTERM}, log.read_text()
    except BaseException:
        process.kill()
        process.wait()
        print(log.read_text())
        raise


def wait_for_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} is not ready")


def test_a_job_runs_from_post_to_link(
    containers: dict[str, Container], site: Site, bucket: Path, tmp_path: Path
) -> None:
    api, gateway = free_port(), free_port()
    with redis_server(tcp=True) as redis, contextlib.ExitStack() as stack:
        env = {
            "VIDFERRY_REDIS_URL": redis.tcp_url,
            "VIDFERRY_BUCKET": f"file://{VOLUMES / bucket.name}",
            "VIDFERRY_SIGNING_KEY": "x" * 32,
            "VIDFERRY_PORT": str(api),
            "VIDFERRY_GATEWAY_PORT": str(gateway),
            "VIDFERRY_EGRESS_ALLOW": "127.0.0.0/8",
            "VIDFERRY_ADMIN_PORT": "0",  # the containers share one network, where each would want the same
        }
        for name, container in containers.items():
            stack.enter_context(running(container, tmp_path / f"{name}.log", bucket, env))
        wait_for_ready(f"http://127.0.0.1:{api}")
        wait_for_ready(f"http://127.0.0.1:{gateway}")
        job = httpx2.post(
            f"http://127.0.0.1:{api}/api/download", json={"url": site.url("/hls/master.m3u8")}, timeout=20
        ).json()
        watched = Watcher(f"ws://127.0.0.1:{gateway}/ws/download/{job['job_id']}").closed()
        assert watched.close_code == 1000
        assert watched.last["status"] == "completed", json.dumps(watched.last)
        link = watched.last["result"]["url"]
        film = httpx2.get(link if "://" in link else f"http://127.0.0.1:{api}{link}", timeout=20)
        assert film.status_code == 200
        assert len(film.content) == watched.last["result"]["size"]
    owners = {path.stat().st_uid for path in bucket.rglob("*") if path.is_file()}
    assert owners == {65532}
