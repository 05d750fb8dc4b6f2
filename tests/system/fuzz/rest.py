"""Sends the api whatever its OpenAPI document allows, and what it doesn't, and checks each answer against the document.

schemathesis makes the requests: examples, bounds, chance, and sequences in which a request uses what an earlier one was
answered. No worker runs, so nothing is downloaded; the queue has a bound, so Redis stays small. A key, by `--key`, is
what an api in another mode of access asks for; its settings are given by the environment.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from support.backstage import Backstage, store_video
from support.redis_server import redis_server
from support.services import Api
from support.tree import ROOT

CONFIG = Path(__file__).with_name("schemathesis.toml")
NOT_CHECKED = ("use_after_free",)
"""DELETE cancels a job, whose record stays and can be read."""
STORED = 20
"""videos in the bucket, which the list of objects leads to"""
SETTINGS = {"queue_cap": "200", "caller_rate": "0", "log_level": "warning"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--key", default="", help="the API key to send")
    told = parser.parse_args()
    asked = {name: value for name, value in os.environ.items() if name.startswith("VIDFERRY_")}
    with (
        tempfile.TemporaryDirectory(prefix="vidferry-fuzz-") as folder,
        redis_server() as redis,
        Api(redis.url, Path(folder), asked, None, **SETTINGS) as api,
    ):
        for number in range(STORED):
            video = f"videos/generic/example.org/{number}/1080-any"
            store_video(Backstage(redis, Path(folder)), video, f"Video {number}")
        status = _run_schemathesis(api, told.seconds, told.seed, told.key, Path(folder))
        unexpected = api.logged("request failed with an unexpected error")
    for entry in unexpected:
        print(entry, flush=True)
    if status or unexpected:
        sys.exit(f'The api and its document differ. Again by RESTFUZZ_ARGS="--seed {told.seed}"')


def _run_schemathesis(api: Api, seconds: int, seed: int, key: str, folder: Path) -> int:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{api.url}/openapi.json", "--exclude-checks", ",".join(NOT_CHECKED),
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-time", str(seconds), "--seed", str(seed), "--generation-database", "none",
        "--continue-on-failure", "--no-color", *(["--header", f"Authorization: Bearer {key}"] if key else []),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}  # of the hooks that the configuration names
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    main()
