"""What runs, as the api tells it: workers are counted, and nothing names one."""

from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from support.access import KeysFile
from support.answers import problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys
from vidferry_common.contract.bundles import Bundle, Versions
from vidferry_common.store import Publishing, Store

OLD, NEW = Versions("0.3.0", "2026.10.26", "0.8.0", "2.9.8", "7.1.2"), Versions("0.3.0", "2026.11.20", "0.8.1")
BUNDLE = Bundle("2026.11.20", "0.8.1", "system/bundles/2026.11.20/manifest.json", "0f" * 32, "2026.10.26")


def test_without_workers_and_bundles(api: httpx2.Client) -> None:
    answer = api.get("/api/version")

    assert answer.json() == {"vidferry": version("vidferry-api"), "bundle": None, "held": [], "workers": []}
    assert answer.headers["cache-control"] == "private, no-store"
    assert api.head("/api/version").status_code == 200


def test_workers_are_counted_by_what_they_run(api: httpx2.Client, backstage: Backstage) -> None:
    async def report(store: Store) -> None:
        await store.bundles.report("secret-host-1", OLD)
        await store.bundles.report("secret-host-2", NEW)
        await store.bundles.report("secret-host-3", NEW, "it lies at /secret/path")

    backstage.store(report)

    answer = api.get("/api/version")

    unknown = {"deno": None, "ffmpeg": None}
    assert answer.json()["workers"] == [{**NEW.as_dict(), **unknown, "count": 2}, {**OLD.as_dict(), "count": 1}]
    assert "secret" not in answer.text


def test_the_bundle_and_what_is_held(api: httpx2.Client, backstage: Backstage) -> None:
    async def publish(store: Store) -> None:
        assert await store.bundles.publish("w", BUNDLE) is Publishing.PUBLISHED
        await store.bundles.hold("2026.11.21", "secret reason")

    backstage.redis(lambda redis: redis.hset(keys.LEADER, "worker", "w"))
    backstage.store(publish)

    answer = api.get("/api/version")

    told = answer.json()
    assert told["held"] == ["2026.11.21"]
    published_at = told["bundle"].pop("published_at")
    assert published_at.endswith("Z")
    assert told["bundle"] == {"yt_dlp": "2026.11.20", "ejs": "0.8.1", "previous": "2026.10.26"}
    assert "secret" not in answer.text


@pytest.mark.parametrize(("scope", "status"), [("jobs:read", 200), ("objects:read", 403), ("admin", 200)])
def test_whoever_may_read_jobs_is_told(scope: str, status: int, open_app: OpenApp, tmp_path: Path) -> None:
    file = KeysFile(tmp_path / "keys.toml")
    key = file.add("ann", scopes=(scope,))
    client = open_app(**file.settings())

    assert client.get("/api/version", headers={"Authorization": f"Bearer {key}"}).status_code == status
    problem(client.get("/api/version"), 401, "unauthenticated")
