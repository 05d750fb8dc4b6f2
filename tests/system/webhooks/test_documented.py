"""docs/webhooks.md: its requests are sent to an api, and its receivers verify what a worker makes."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from support.curl_examples import read_examples
from support.receiver import OTHER_SECRET, SECRET
from support.redis_server import redis_server
from support.services import Api
from support.tree import ROOT
from vidferry_common.contract.webhooks import EventType, check_secret
from vidferry_common.store import EventLog, OutboxEvent
from vidferry_worker.webhooks.request import make_request

PAGE = (ROOT / "docs/webhooks.md").read_text()
DENO = Path(sys.executable).parent / "deno"
JOB_ID = "3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def sent(*secrets: str, age: float = 0) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event, as a worker sends it."""
    data = {"job_id": JOB_ID, "timestamp": "2026-01-31T09:30:00.125Z", "title": "Größe · 大"}
    message = json.dumps({"traceparent": "00-1-2-01", "data": data}).encode()
    event = OutboxEvent(EventType.JOB_COMPLETED, 17, message, EventLog(EventType.JOB_COMPLETED, 1, 1))
    headers, body = make_request(JOB_ID, event, [SecretStr(each) for each in secrets], time.time() - age)
    return dict(headers), body


def changed() -> tuple[dict[str, str], bytes]:
    headers, body = sent(SECRET)
    return headers, body.replace(b"job.completed", b"job.failed")


CASES: dict[str, tuple[Callable[[], tuple[dict[str, str], bytes]], bool]] = {
    "signed": (lambda: sent(SECRET), True),
    "rotated": (lambda: sent(OTHER_SECRET, SECRET), True),
    "of another": (lambda: sent(OTHER_SECRET), False),
    "old": (lambda: sent(SECRET, age=3600), False),
    "changed": (changed, False),
    "unsigned": (lambda: ({}, b"{}"), False),
}


def test_the_requests(tmp_path: Path) -> None:
    variables: dict[str, str] = {}
    examples = [
        each
        for text in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
        for each in read_examples(text)
    ]
    with (
        redis_server() as redis,
        Api(redis.url, tmp_path, webhook_secrets=SECRET) as api,
        httpx2.Client(base_url=api.url, timeout=20, verify=False) as client,
    ):
        for example in examples:
            example.run(client, variables)
    assert len(examples) == 2


@pytest.mark.parametrize("case", CASES)
def test_the_receiver_in_python(case: str) -> None:
    make, wanted = CASES[case]
    headers, body = make()
    names: dict[str, Any] = {}
    exec(block("python"), names)
    event = names["read_event"](SECRET, headers, body)
    assert (event == json.loads(body)) is wanted
    assert event is None or wanted


def test_the_receiver_in_javascript(tmp_path: Path) -> None:
    made = [(make(), wanted) for make, wanted in CASES.values()]
    told = [[headers, body.decode()] for (headers, body), _ in made]
    script = tmp_path / "receiver.mjs"
    script.write_text(
        f"{block('js')}\nfor (const [headers, body] of {json.dumps(told)})\n"
        f"  console.log(JSON.stringify(await readEvent({json.dumps(SECRET)}, new Headers(headers), body)));\n"
    )
    ran = subprocess.run([DENO, "run", "--no-remote", script], capture_output=True, text=True, check=True, timeout=60)
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert found == [json.loads(body) if wanted else None for (_, body), wanted in made]


def test_the_command_that_makes_a_secret() -> None:
    (command,) = re.findall(r"^    python3 -c '(.*)'$", PAGE, re.MULTILINE)
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    check_secret(made.stdout.strip())


def test_the_events() -> None:
    table = re.findall(r"^\| `((?:job|batch)\.[a-z]+)` \|", PAGE, re.MULTILINE)
    assert table == list(EventType)
