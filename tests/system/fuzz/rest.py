"""Sends the api whatever its OpenAPI document allows, and what it doesn't, and checks each answer against the document.

schemathesis makes the requests: examples, bounds, chance, and sequences in which a request uses what an earlier one was
answered. An api that is open to all is asked first, then one that asks for API keys, with a key. No worker runs, so
nothing is downloaded; what workers make was made before (known.py). The queue has a bound, so Redis stays small. No
clock ends a run, so that the seed and the number of examples tell what is sent, however fast the machine is.

An operation that nothing but refusals was answered to was not tested: the run fails.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2

from support.access import KeysFile, bearer
from support.backstage import Backstage
from support.ports import free_port
from support.receiver import SECRET
from support.redis_server import redis_server
from support.services import Api
from support.tree import ROOT
from system.fuzz import known

CONFIG = Path(__file__).with_name("schemathesis.toml")
NOT_CHECKED = ("use_after_free",)
"""DELETE cancels a job, whose record stays and can be read."""
ACCESS = ("none", "keys")
OWNER = "fuzz"
WEBHOOK = f'[owners.{OWNER}.webhook]\nsecrets = ["{SECRET}"]\n'
SCOPES = ("jobs:write", "jobs:read", "objects:read", "objects:delete")
SETTINGS = {"queue_cap": "200", "caller_rate": "0", "log_level": "warning"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=100, help="how many of each operation, and how many sequences")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--access", choices=ACCESS, action="append", help="who may send requests (default: both)")
    told = parser.parse_args()
    failed = [access for access in told.access or ACCESS if not _agrees(access, told.examples, told.seed)]
    if failed:
        again = f"--seed {told.seed} --examples {told.examples} --access {failed[0]}"
        sys.exit(f'The api and its document differ, access: {", ".join(failed)}. Again by RESTFUZZ_ARGS="{again}"')


def _agrees(access: str, examples: int, seed: int) -> bool:
    """Whether each answer of an api with this access is one of its document."""
    with tempfile.TemporaryDirectory(prefix="vidferry-fuzz-") as name, redis_server() as redis:
        folder = Path(name)
        keys = KeysFile(folder / "keys.toml", WEBHOOK) if access == "keys" else None
        key = keys.add(OWNER, scopes=SCOPES) if keys else ""
        own = keys.settings() if keys else {"webhook_secrets": SECRET}
        print(f"access: {access}", flush=True)
        with Api(redis.url, folder, None, None, **SETTINGS, **own, admin_port=str(free_port())) as api:
            told = known.fill(api.url, bearer(key) if key else {}, Backstage(redis, folder))
            status = _run_schemathesis(api, examples, seed, key, folder, told)
            unexpected = api.logged("request failed with an unexpected error")
            untested = _find_refused_operations(api)
    for entry in unexpected:
        print(entry, flush=True)
    if untested:
        print("never answered but by a refusal:", ", ".join(untested), flush=True)
    return not status and not unexpected and not untested


def _find_refused_operations(api: Api) -> list[str]:
    """The operations of the document of which no request succeeded."""
    with httpx2.Client(base_url=api.url, timeout=60, verify=False) as client:
        paths = client.get("/openapi.json").json()["paths"]
    scrape = api.admin.scrape()
    succeeded = {
        (labels["method"], labels["route"])
        for labels in scrape.labels("vidferry_http_requests_total")
        if labels["code"] < "400" and scrape.value("vidferry_http_requests_total", **labels)
    }
    operations = {(method.upper(), path) for path, item in paths.items() for method in item}
    return [" ".join(each) for each in sorted(operations - succeeded)]


def _run_schemathesis(api: Api, examples: int, seed: int, key: str, folder: Path, told: known.Known) -> int:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{api.url}/openapi.json", "--checks", "all", "--exclude-checks", ",".join(NOT_CHECKED),
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none",
        "--continue-on-failure", "--no-color", *(["--header", f"Authorization: Bearer {key}"] if key else []),
    ]  # fmt: skip
    environment = {
        **os.environ,
        **known.write(told),
        "PYTHONPATH": str(ROOT / "tests"),  # of the hooks that the configuration names
        "PYTHONHASHSEED": "0",  # the order of sets decides which examples a seed means
    }
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    main()
