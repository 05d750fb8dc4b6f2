"""RFC 6455 with a raw client: which handshakes and frames are right, and what comes of those that are not."""

import pytest
from websockets.frames import Opcode

from support.jobs import Job
from support.raw_websocket import RawClient, frame, handshake
from support.services import Gateway

# The tests block; the job they watch is made by an async fixture.
pytestmark = pytest.mark.usefixtures("anyio_backend")

CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9


def test_a_ping_in_the_segment_of_the_handshake_is_answered(shared_gateway: Gateway, job: Job) -> None:
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id) + frame(PING, b"early"))
        assert client.response()[0] == 101
        answers = [client.frame() for _ in range(2)]
    assert {each.opcode for each in answers} == {Opcode.PONG, Opcode.TEXT}
    assert [bytes(each.data) for each in answers if each.opcode is Opcode.PONG] == [b"early"]


def test_half_a_frame_in_the_segment_of_the_handshake(shared_gateway: Gateway, job: Job) -> None:
    whole = handshake(job.id) + frame(PING, b"early")
    for cut in (20, len(whole) - 11, len(whole) - 4):
        with RawClient(shared_gateway) as client:
            client.send(whole[:cut])
            client.send(whole[cut:])
            assert client.response()[0] == 101
            assert Opcode.PONG in {client.frame().opcode for _ in range(2)}


def test_compression_and_subprotocols_are_declined(shared_gateway: Gateway, job: Job) -> None:
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id, "Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: chat"))
        status, head = client.response()
    assert status == 101
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, "RFC 6455 §1.3"
    assert b"xtensions" not in head
    assert b"rotocol:" not in head


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, b"x" * 4096) + frame(CLOSE, b"\x03\xe8"), 1000, id="as much as is allowed"),
        pytest.param(frame(TEXT, b"x" * 4097), 1009, id="a byte more"),
        pytest.param(frame(TEXT, b"x" * 4000, fin=False) + frame(CONT, b"x" * 4000), 1009, id="more in two fragments"),
        pytest.param(
            frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xff") + frame(CLOSE, b"\x03\xe8"),
            1000,
            id="binary fragments are no text",
        ),
    ],
)
def test_what_the_autobahn_cases_leave_out(shared_gateway: Gateway, job: Job, sent: bytes, code: int) -> None:
    """Its chapters on limits apply to no gateway; test_conformance.py has the others."""
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id))
        assert client.response()[0] == 101
        assert client.frame().opcode is Opcode.TEXT
        client.send(sent)
        assert client.frames_to_close()[1] == code


def test_what_comes_behind_an_error_does_not_reset_the_connection(shared_gateway: Gateway, job: Job) -> None:
    """Bytes that nobody reads would turn the close into a reset, and the client would never see the code."""
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id))
        assert client.response()[0] == 101
        client.send(frame(TEXT, b"x" * 5000) * 100)
        assert client.frames_to_close()[1] == 1009
