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
from vidferry_common.store.scripts import SCRIPTS

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


async def test_the_marks_of_a_body_are_replaced_in_each_job(records: Records) -> None:
    job, claim = await records.claimed()
    body = replace(queued_update(), title="a\x01b\x02c", has_thumbnail=True).as_failed(ErrorCode.DRM).body()

    await records.store.downloads.finish(claim, body, Ending())

    data = (await records.state(job.job_id))["data"]
    assert data["title"] == "a\x01b\x02c", "what a title has is escaped, and no mark"
    assert data["thumbnail"] == f"{job.public_root}/api/jobs/{job.job_id}/thumbnail"


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - {"publish"}))
def test_arguments_have_names(name: str) -> None:
    text = (resources.files("vidferry_common.store.scripts") / f"{name}.lua").read_text()

    assert re.findall(r"ARGV.*", text) == ["ARGV[1])"]
    assert "local args = cjson.decode(ARGV[1])" in text
