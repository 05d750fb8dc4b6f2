"""Text of strangers in the log: it forges no line, and breaks none. Entries have the fields of what they are about."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
from typing import Any, Literal

import pytest

from support.receiver import SECRET
from vidferry_common import log
from vidferry_common.log import LogSettings, add_log_fields, log_fields

pytestmark = pytest.mark.anyio

FORGED = "no\n13:00:00 CRITICAL worker  FORGED\r\n\x1b[2J\x9b1m\u202egnp.exe\u2028x"


def logged(form: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is written of a message, a field and an exception that hold the forged text."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which set_up() replaces
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = logging.getLogger("vidferry_worker").level
    try:
        log.set_up(LogSettings.model_validate({"log_format": form}), "worker")
        try:
            raise OSError(FORGED)  # noqa: TRY301 - to be logged with its traceback
        except OSError:
            logging.getLogger("vidferry_worker").exception("failed: %s", FORGED, extra={"detail": FORGED})
    finally:
        root.handlers[:] = before
        logging.getLogger("vidferry_worker").setLevel(level)
        logging.captureWarnings(capture=False)
    return written.getvalue()


def test_a_site_writes_no_line_into_a_log_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *traceback = logged("text", monkeypatch).splitlines()

    assert "failed: no\\n13:00:00 CRITICAL" in first
    assert "detail=no\\n13:00:00" in first
    assert any("FORGED" in line for line in traceback)
    assert all(line.startswith("    ") for line in traceback)
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(first + "".join(traceback))


def test_nor_into_one_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = logged("json", monkeypatch).splitlines()

    entry = json.loads(line)
    assert (entry["detail"], entry["message"]) == (FORGED, f"failed: {FORGED}")
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(line)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("detail", ["half \ud83d", 2**100, {2: [2**100, "\ud83d\x1b"]}])
def test_what_fits_into_no_json_is_written_all_the_same(form: Literal["text", "json"], detail: object) -> None:
    record = logging.makeLogRecord({"msg": "failed", "detail": detail})
    line = log.make_formatter(form, "worker").format(record)

    assert line.encode().isascii()
    assert form == "text" or json.loads(line)["message"] == "failed"


SIGNATURE = "Zx-9_" * 8 + "abc"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("ticket", [f"1800000000.{SIGNATURE}", f"1800000000.team-a%40b.c_d.{SIGNATURE}"])
@pytest.mark.parametrize(
    "written",
    ["wss://h/ws/download/x?ticket={}", "/ws/downloads?pings=1&ticket={}&after=7", "%3Fticket%3D{}", "ticket: {}",
     '{{"type":"subscribe","tickets":{{"6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40":"{}"}}}}', "b'{}'", "({})", "{},{}"],
)  # fmt: skip
def test_a_ticket_is_hidden_wherever_it_stands(form: Literal["text", "json"], ticket: str, written: str) -> None:
    text = written.replace("{{", "{").replace("}}", "}").replace("{}", ticket)
    record = logging.makeLogRecord({"msg": text, "detail": {"a": [text]}})
    line = log.make_formatter(form, "gateway").format(record)

    assert SIGNATURE not in line
    assert "…" in line
    assert "after=7" in line or "after" not in written
    assert form == "text" or json.loads(line)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_secret_of_a_webhook_is_hidden_wherever_it_stands(form: Literal["text", "json"]) -> None:
    record = logging.makeLogRecord({"msg": f'secrets = ["{SECRET}"]', "setting": SECRET})
    line = log.make_formatter(form, "worker").format(record)
    assert "whsec_…" in line or "whsec_\\u2026" in line
    assert SECRET[6:] not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_url_has_its_query(form: Literal["text", "json"]) -> None:
    """Neither where a library quotes one, nor within a traceback's or a field's text."""
    url = "https://storage.example/upload/o?uploadType=resumable&upload_id=s3cr3t"
    text = f"403 PUT {url}: <no> '{url}#s3cr3t' https://user.example/#s3cr3t and https://plain.example/a."
    record = logging.makeLogRecord({"msg": "failed", "detail": text, "more": {"urls": [url]}})
    line = log.make_formatter(form, "worker").format(record)

    assert "s3cr3t" not in line
    assert "https://plain.example/a." in line
    assert form == "text" or json.loads(line)["more"] == {"urls": ["https://storage.example/upload/o?…"]}


def written(**own: object) -> dict[str, Any]:
    """The fields that an entry has now, beside those of every entry."""
    entry = json.loads(log.make_formatter("json", "worker").format(logging.makeLogRecord({"msg": "said", **own})))
    return {name: value for name, value in entry.items() if name not in BARE}


BARE = frozenset({"timestamp", "level", "service", "logger", "message"})


async def test_entries_have_the_fields_of_what_they_are_about() -> None:
    with log_fields(download_id="a", attempt=1):
        add_log_fields(trace_id="t")
        with log_fields(job_id="b"):
            assert written(attempt=2) == {"download_id": "a", "attempt": 2, "trace_id": "t", "job_id": "b"}
        of_a_task, of_a_thread = await asyncio.gather(as_a_task(), asyncio.to_thread(written))
        assert of_a_task == {"download_id": "a", "attempt": 1, "trace_id": "t", "job_id": "c"}
        assert of_a_thread == written() == {"download_id": "a", "attempt": 1, "trace_id": "t"}
    add_log_fields(trace_id="of nothing")
    assert written() == {}


async def as_a_task() -> dict[str, Any]:
    with log_fields(job_id="c"):
        await asyncio.sleep(0)
        return written()


@pytest.mark.parametrize("program", ["raise OSError('of old')", "threading.Thread(target=lambda: 1 / 0).start()"])
def test_what_nobody_handles_is_one_entry(program: str) -> None:
    script = f"import threading\nfrom vidferry_common.log import *\nset_up(LogSettings(), 'worker')\n{program}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    [entry] = map(json.loads, ended.stderr.splitlines())

    assert (entry["level"], entry["message"]) == ("critical", "an error was not handled")
    assert entry["exception"].startswith("Traceback")
