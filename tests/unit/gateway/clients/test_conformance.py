"""RFC 6455 against the listening gateway: the Autobahn testsuite's cases, and what they leave out."""

import json
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from websockets.frames import Frame, Opcode

from support.jobs import Job
from support.raw_websocket import RawClient, frame, handshake
from support.services import Gateway
from unit.gateway.clients.autobahn import CASES, CLOSE, CONT, OK, PING, TEXT, Applies, Case, Part, close

# The tests block; the job they watch is made by an async fixture.
pytestmark = pytest.mark.usefixtures("anyio_backend")


def test_the_table_holds_every_case_of_the_seven_chapters() -> None:
    chapters = Counter(case.number.partition(".")[0] for case in CASES)
    assert chapters == {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37}
    assert len({case.number for case in CASES}) == len(CASES)
    assert Counter(case.applies for case in CASES)[Applies.AS_IT_IS] > len(CASES) / 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} {case.about}")
def test_autobahn(shared_gateway: Gateway, job: Job, case: Case) -> None:
    with _opened(shared_gateway, "s", path="/ws/download") as client:
        assert _converse(client, case, echoes=True) == case.code
    if case.applies is not Applies.AS_IT_IS:
        with _opened(shared_gateway, job.id) as client:
            assert client.frame().opcode is Opcode.TEXT, "the job's state"
            assert _converse(client, case, echoes=False) == case.code


def _opened(gateway: Gateway, job_id: str, path: str = "/ws/download/") -> RawClient:
    client = RawClient(gateway)
    client.send(handshake(job_id, path=path))
    assert client.response()[0] == 101
    return client


def _converse(client: RawClient, case: Case, *, echoes: bool) -> int:
    """Sends the case's parts, each after the answers to those before it, and returns the code of the close."""
    for part in case.sent:
        for piece in _pieces(part):
            client.send(piece)
        _expect(client, part.messages if echoes else 0, part.pongs)
    last = [b"last"] if case.code == OK and not case.closes else []
    if last:
        client.send(frame(PING, *last) + close(OK))
    frames, code = client.frames_to_close()
    assert [bytes(each.data) for each in frames] == last, "nothing else is answered"
    return code


def _pieces(part: Part) -> Iterator[bytes]:
    size = part.chop or len(part.data)
    return (part.data[start : start + size] for start in range(0, len(part.data), size))


def _expect(client: RawClient, messages: int, pongs: tuple[bytes, ...]) -> None:
    """Messages and pongs are answered at different times, so only each kind has an order."""
    came = [client.frame() for _ in range(messages + len(pongs))]
    assert tuple(bytes(each.data) for each in came if each.opcode is Opcode.PONG) == pongs
    assert [json.loads(bytes(each.data))["code"] for each in came if each.opcode is Opcode.TEXT] == [
        "invalid_message"
    ] * messages


# What the suite leaves out


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\xff\0\x80"], ids=bytes.hex)
def test_any_mask(shared_gateway: Gateway, mask: bytes) -> None:
    """A fragmented message of the gateway's own, so that the answer tells its content."""
    unknown = "00000000-0000-4000-8000-00000000ffff"
    said = json.dumps({"type": "subscribe", "jobs": {unknown: None}}).encode()
    with _opened(shared_gateway, "s", path="/ws/download") as client:
        client.send(frame(TEXT, said[:30], fin=False, mask=mask) + frame(PING, b"amid", mask=mask))
        assert bytes(client.frame().data) == b"amid"
        client.send(frame(CONT, said[30:], mask=mask))
        answer = json.loads(bytes(client.frame().data))
    assert (answer["code"], answer["job_id"]) == ("job_not_found", unknown)


@pytest.mark.parametrize("opcode", [CONT, TEXT, 2, CLOSE, PING, 10])
def test_no_mask(shared_gateway: Gateway, job: Job, opcode: int) -> None:
    """RFC 6455 §5.1: the connection is failed whatever the frame is."""
    with _opened(shared_gateway, job.id) as client:
        client.send(frame(opcode, masked=False))
        assert client.frames_to_close()[1] == 1002


@pytest.mark.parametrize(
    ("head", "code"),
    [
        pytest.param("81fe0005", 1000, id="16 bits for a length of 5"),
        pytest.param("81ff0000000000000005", 1000, id="64 bits for a length of 5"),
        pytest.param("89fe0005", 1000, id="16 bits for a ping's"),
        pytest.param("81ff0000000100000000", 1009, id="4 GiB"),
        pytest.param("81ff7fffffffffffffff", 1009, id="as much as there can be"),
        pytest.param("81ff8000000000000005", 1009, id="a length whose first bit is set"),
    ],
)
def test_lengths(shared_gateway: Gateway, job: Job, head: str, code: int) -> None:
    """The gateway takes what is longer than it has to be, and never waits for more than it would take."""
    with _opened(shared_gateway, job.id) as client:
        client.send(bytes.fromhex(head) + b"\0\0\0\0hello")
        if code == OK:
            client.send(close(OK))
        assert client.frames_to_close()[1] == code


def test_two_closes_that_cross(shared_gateway: Gateway) -> None:
    """Each end takes the other's close for the answer to its own, and no end sends two."""
    for number in range(20):
        with _opened(shared_gateway, "00000000-0000-4000-8000-00000000ffff") as client:
            # The gateway closes with 4504 once it has asked Redis; the client does not wait for that.
            client.send(close(1001, b"%d" % number))
            closes = [each for each in _to_the_end(client) if each.opcode is Opcode.CLOSE]
            assert [int.from_bytes(each.data[:2], "big") for each in closes] in ([1001], [4504])


def test_behind_the_gateways_close_only_a_ping_is_answered(shared_gateway: Gateway) -> None:
    """RFC 6455 §5.5.2 asks for pongs until a close was received; §5.5.1 forbids all else, a second close too."""
    with _opened(shared_gateway, "00000000-0000-4000-8000-00000000ffff") as client:
        assert client.frame().opcode is Opcode.CLOSE
        client.send(frame(PING, b"late") + frame(TEXT, b"late") + frame(3) + close(1000) + close(1000))
        assert [(each.opcode, bytes(each.data)) for each in _to_the_end(client)] == [(Opcode.PONG, b"late")]


def test_a_client_that_ends_its_stream_without_a_close(shared_gateway: Gateway, job: Job) -> None:
    """RFC 6455 §7.1.5: 1006 is never sent; the gateway ends its stream too."""
    with _opened(shared_gateway, job.id) as client:
        assert client.frame().opcode is Opcode.TEXT
        client.send(frame(TEXT, b"half", fin=False))
        client.socket.shutdown(socket.SHUT_WR)
        assert list(_to_the_end(client)) == []


def _to_the_end(client: RawClient) -> Iterator[Frame]:
    while (one := client.frame_or_end()) is not None:
        yield one
