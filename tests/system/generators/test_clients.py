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
 "lib": ["es2022", "dom", "dom.iterable"], "skipLibCheck": false, "outDir": "out"}, "files": ["example.ts"]}"""


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
    # The generated code itself is not strict.
    _run(tmp_path, "mypy", "--strict", "--follow-imports=silent", "--config-file=", "example.py")
    assert _run(tmp_path, sys.executable, "example.py") == "queued 0\n"


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
    _run(tmp_path, "tsc")
    assert _run(tmp_path, "node", "out/example.js") == "queued 0\n"
