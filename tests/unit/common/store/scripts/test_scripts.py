"""What a script is given reaches it as it was: text byte for byte, numbers whole."""

import re
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest

from support.records import Records, of
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update
from vidferry_common.store import Ending
from vidferry_common.store.scripts import FURTHER_LIBRARIES, LIBRARIES, REST, REST_AT_ONCE, SCRIPTS

pytestmark = pytest.mark.anyio
EVERY_CHARACTER = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF)


async def test_a_body_reaches_the_record_byte_for_byte(records: Records) -> None:
    """It is JSON inside JSON, with marks of its own, and cjson knows no integers."""
    job, claim = await records.claimed()
    odd: Any = {"none": [], "nothing": {}}
    told = replace(queued_update(), title=EVERY_CHARACTER, downloaded_bytes=2**53 + 1, result=odd)
    body = told.as_failed(ErrorCode.DRM).body()

    await records.store.downloads.finish(claim, body, Ending())

    state = await of(records.redis.hget(keys.JOB + job.job_id, "state"))
    assert body in state


def read(part: str) -> str:
    return (resources.files("vidferry_common.store.scripts") / f"{part}.lua").read_text()


def test_a_script_calls_no_function_that_may_not_be_defined_yet() -> None:
    rest = {name for part in REST for name in re.findall(r"^local function (\w+)", read(part), re.MULTILINE)}
    assert {"add_task", "read_batch"} <= rest
    late = {part for name in set(SCRIPTS) - REST_AT_ONCE for part in (name, *FURTHER_LIBRARIES.get(name, ()))}
    for part in late | set(LIBRARIES):
        assert not rest & set(re.findall(r"\w+(?=\()", read(part))), part


def test_arguments_have_names() -> None:
    for name in set(SCRIPTS) - {"publish"}:
        text = read(name)
        arguments = set(re.findall(r"ARGV\[\d\]", text))
        assert arguments == {"ARGV[1]", "ARGV[2]"} if name == "pick" else {"ARGV[1]"}, name  # its second is not JSON
        assert "local args = cjson.decode(ARGV[1])" in text, name
