"""The api's log tells once that Redis fills up, that it is full, and that it has room again."""

import logging
from typing import cast

import pytest

from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_common.store import Store

NOBODY = cast("Store", None)
"""it is told here what it would see"""


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([0.1, 0.79, 0.1], []),
        ([0.8, 0.85, 0.8], ["fills up"]),
        ([0.8, 0.79, 0.81, 0.76, 0.8], ["fills up"]),
        ([0.8, 0.74, 0.1, 0.8], ["fills up", "room again", "fills up"]),
        ([0.95, 0.97, 0.89, 0.9], ["is full"]),
        ([0.85, 0.9, 0.84, 0.9, 0.5], ["fills up", "is full", "fills up", "is full", "room again"]),
        (["refused", "refused", 0.88, "refused", 0.3], ["is full", "room again"]),
    ],
)
def test_each_change_is_told_once(shares: list[float | str], told: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    memory_log = RedisMemoryLog(NOBODY)
    for share in shares:
        if isinstance(share, str):
            memory_log.note_refusal()
        else:
            memory_log.note_share(share)

    assert len(caplog.messages) == len(told)
    assert all(each in line for each, line in zip(told, caplog.messages, strict=True))
