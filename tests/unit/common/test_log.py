"""Text of strangers in the log: it forges no line, and breaks none."""

import io
import json
import logging
import sys
from typing import Literal

import pytest

from support.receiver import SECRET
from vidferry_common import log
from vidferry_common.log import LogSettings

FORGED = "no\n13:00:00 CRITICAL worker  FORGED\r\n\x1b[2J\x9b1m\u202egnp.exe\u2028x"


def logged(form: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is written of a message, a field and an exception that hold the forged text."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
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
