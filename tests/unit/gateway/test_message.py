"""What the gateway reads of a message: as little as it can of the scripts' own, all of any other."""

import json

import pytest

from support.gateway_fixtures import OpenStore
from support.jobs import Job, redis_client
from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.contract.messages import ENVELOPE, Cursor, Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_gateway.message import Message, MessageKind, _parse_document, parse_message

pytestmark = pytest.mark.anyio


def facts(message: Message | None) -> tuple[object, ...]:
    assert message is not None
    return (
        message.frame, message.epoch, message.seq, message.stage, message.step, message.terminal, message.timestamp,
    )  # fmt: skip


async def test_of_the_scripts_messages_the_beginning_tells_the_same_as_the_whole(
    shared_redis: RedisServer, store_of: OpenStore
) -> None:
    """When this fails the gateway still works, but spends more on each message."""
    job = await Job.create(await store_of(shared_redis))
    await job.steps(0, 11)
    odd = 'Ünïcode \\" 🌅 ","step":true'
    await job.tell(Update(Status.PROCESSING, Stage.DOWNLOADING, 1 / 3, odd, title=odd, has_thumbnail=True))
    async with redis_client(shared_redis) as client:
        key = keys.JOB + job.id
        stored = [await client.hget(key, "state"), *await client.lrange(key + keys.HISTORY, 0, -1)]  # type: ignore[misc]
        await job.finish()
        stored.append(await client.hget(key, "state"))  # type: ignore[misc]
    assert len(stored) == 13
    for raw in stored:
        assert ENVELOPE.match(raw), raw
        assert facts(parse_message(raw)) == facts(_parse_document(raw))
    first, *_, last = map(parse_message, stored)
    assert first is not None
    assert last is not None
    assert (first.step, last.step, last.terminal) == (False, True, True)
    assert first.kind_after(last) is MessageKind.STEP, "another stage"
    assert first.kind_after(first) is MessageKind.PROGRESS


def written(**changes: object) -> bytes:
    message = {"v": 2, "type": "status", "cursor": "0000000a-7", "data": {"seq": 7, "status": "failed", "stage": "x"}}
    return json.dumps({**message, **changes}).encode()


def test_another_release_may_write_it_otherwise() -> None:
    message = parse_message(written(step=True))
    assert facts(message)[1:6] == (b"0000000a", 7, b"x", True, True)
    assert facts(parse_message(written(step="yes")))[4] is False


@pytest.mark.parametrize(
    "raw",
    [written(cursor="0000000a-8"), written(cursor="a-7"), written(type="other"), written(data={}), written(data=[]),
     written(data={"seq": 7, "status": 5, "stage": "x"}), b"[]", b'"text"', b"{", b"\xff"],
)  # fmt: skip
def test_what_is_no_status_message(raw: bytes) -> None:
    assert parse_message(raw) is None


def begun(seq: int, rest: bytes) -> bytes:
    trace, job = b"0" * 55, b"0" * 36
    return (
        b'{"v":1,"type":"status","cursor":"0000000a-7","traceparent":"%b","data":{"job_id":"%b","seq":%d,'
        b'"status":"processing","stage":"x","timestamp":"2026-11-23T10:00:00.123Z",%b' % (trace, job, seq, rest)
    )


def test_a_beginning_alone_is_not_believed() -> None:
    assert ENVELOPE.match(begun(7, b""))
    assert parse_message(begun(7, b'"progress":1}}')) is not None
    assert parse_message(begun(8, b'"progress":1}}')) is None, "the cursor is of another message"
    assert parse_message(begun(7, b'"title":"\xff"}}')) is None, "no client would take it for text"


def test_order() -> None:
    seven, eight = (
        parse_message(begun(7, b'"a":1}}')),
        parse_message(begun(7, b'"a":1}}').replace(b"a-7", b"a-8").replace(b":7,", b":8,")),
    )
    assert seven is not None
    assert eight is not None
    assert eight.is_newer_than(seven)
    assert not seven.is_newer_than(eight)
    assert not seven.is_newer_than(seven)
    assert seven.is_newer_than(None)
    cursors = [None, Cursor("0000000a", 6), Cursor("0000000a", 7), Cursor("0000000b", 9)]
    assert [seven.is_after(cursor) for cursor in cursors] == [True, True, False, True]
    assert seven.is_same_as(seven)
    assert not seven.is_same_as(eight)
    assert not seven.is_same_as(None)
