"""Generators make clients of the OpenAPI document without a warning. The documented examples fit their types, and run.

openapi-python-client's client is checked by mypy, openapi-typescript's by tsc; then both examples ask a running api.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.documents import block
from support.redis_server import redis_server
from support.services import Api
from support.tree import CACHE

pytestmark = [pytest.mark.generators, pytest.mark.timeout(300)]

NODE = CACHE / "generators"
BIN = Path(sys.executable).parent
BASE = "http://localhost:3001"
TSCONFIG = """{"compilerOptions": {"strict": true, "target": "es2022", "module": "nodenext", "types": [],
 "lib": ["es2022", "dom", "dom.iterable"], "skipLibCheck": false, "outDir": "out"},
 "files": ["example.ts", "more.ts"]}"""

MORE_PYTHON = """
from vidferry_client import AuthenticatedClient
from vidferry_client.api.batches import create_batch
from vidferry_client.api.jobs import list_jobs
from vidferry_client.api.objects import list_objects
from vidferry_client.api.probes import create_probe
from vidferry_client.api.webhooks import list_deliveries
from vidferry_client.models import BatchRequest, Deliveries, Job, JobKind, JobList, ObjectList, ProbeRequest

with AuthenticatedClient(base_url="http://localhost:3001", token="your API key") as client:
    batch = create_batch.sync(client=client, body=BatchRequest(urls=["https://example.com/a", "no URL"]))
    probe = create_probe.sync(client=client, body=ProbeRequest(url="https://example.com/a"), wait=0)
    assert isinstance(batch, Job) and batch.batch and isinstance(probe, Job)
    heights = [each.height for each in probe.probe.formats] if probe.probe else []
    jobs = list_jobs.sync(client=client, batch=batch.job_id, kind=JobKind.DOWNLOAD)
    objects = list_objects.sync(client=client, site="example.com")
    events = list_deliveries.sync(batch.job_id, client=client)
    assert isinstance(jobs, JobList) and isinstance(objects, ObjectList) and isinstance(events, Deliveries)
    print(batch.kind, batch.url, batch.batch.counts.total, probe.kind, heights)
    print(jobs.jobs, objects.objects, events.events)
"""
MORE_TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { components, paths } from "./vidferry.js";

const client = createClient<paths>({ baseUrl: "http://localhost:3001" });
const { data: batch } = await client.POST("/api/batches", { body: { urls: ["https://example.com/a", "no URL"] } });
const { data: probe } = await client.POST("/api/probes", {
  body: { url: "https://example.com/a" }, params: { query: { wait: 0 } },
});
if (!batch?.batch || !probe) throw new Error("not accepted");
const found: components["schemas"]["Probe"] | null = probe.probe;
const { data: jobs } = await client.GET("/api/jobs", { params: { query: { batch: batch.job_id, kind: "download" } } });
const { data: objects } = await client.GET("/api/objects", { params: { query: { site: "example.com" } } });
const path = { job_id: batch.job_id };
const { data: deliveries } = await client.GET("/api/jobs/{job_id}/deliveries", { params: { path } });
const total: number | null = batch.batch.counts.total;
console.log(batch.kind, batch.url, total, probe.kind, found?.formats.map((each) => each.height) ?? []);
console.log(jobs?.jobs, objects?.objects, deliveries?.events);
"""
"""what the documented examples do not use"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with redis_server() as redis, Api(redis.url, tmp_path_factory.mktemp("bucket")) as process:
        yield process


def _run(folder: Path, *command: str | Path) -> str:
    """What it prints; it has to succeed."""
    path = f"{BIN}:{NODE / 'bin'}:{NODE / 'node_modules/.bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_python_client(api: Api, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(block("api.md", "yaml", "content_type_overrides"))
    printed = _run(
        tmp_path, "openapi-python-client", "generate", "--url", f"{api.url}/openapi.json", "--config", "config.yaml",
        "--meta", "none", "--output-path", "vidferry_client", "--fail-on-warning",
    )  # fmt: skip
    assert "warning" not in printed.lower()
    (tmp_path / "example.py").write_text(block("api.md", "python", "vidferry_client").replace(BASE, api.url))
    (tmp_path / "more.py").write_text(MORE_PYTHON.replace(BASE, api.url))
    # The generated code itself is not strict.
    _run(tmp_path, "mypy", "--strict", "--follow-imports=silent", "--config-file=", "example.py", "more.py")
    assert _run(tmp_path, sys.executable, "example.py") == "queued 0\n"
    assert _run(tmp_path, sys.executable, "more.py") == "batch None 2 probe []\n[] [] []\n"


def test_the_typescript_client(api: Api, tmp_path: Path) -> None:
    assert (NODE / ".installed").exists(), "make test-generators installs node and npm's packages"
    printed = _run(
        tmp_path, "openapi-typescript", f"{api.url}/openapi.json", "--default-non-nullable", "false",
        "--output", "vidferry.d.ts",
    )  # fmt: skip
    assert "warn" not in printed.lower()
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(TSCONFIG)
    (tmp_path / "example.ts").write_text(block("api.md", "ts", "openapi-fetch").replace(BASE, api.url))
    (tmp_path / "more.ts").write_text(MORE_TYPESCRIPT.replace(BASE, api.url))
    _run(tmp_path, "tsc")
    assert _run(tmp_path, "node", "out/example.js") == "queued 0\n"
    assert _run(tmp_path, "node", "out/more.js") == "batch null 2 probe []\n[] [] []\n"
