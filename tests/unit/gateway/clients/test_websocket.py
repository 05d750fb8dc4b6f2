"""RFC 6455 with a raw client: which handshakes and frames are right, and what comes of those that are not."""

import pytest
from websockets.frames import Opcode

from support.jobs import Job
from support.raw_websocket import RawClient, frame, handshake
from support.services import Gateway

# The tests block; the job they watch is made by an async fixture.
pytestmark = pytest.mark.usefixtures("anyio_backend")

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


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
    ("request_text", "status"),
    [
        (handshake("x", version="12"), 400),
        (handshake("x").replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (handshake("x", method="POST"), 405),
        (handshake("x", path="/ws/upload/"), 404),
    ],
)
def test_a_wrong_handshake(shared_gateway: Gateway, request_text: bytes, status: int) -> None:
    with RawClient(shared_gateway) as client:
        client.send(request_text)
        assert client.response()[0] == status
        while client.socket.recv(4096):
            pass


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, b"x" * 4096) + frame(CLOSE, b"\x03\xe8"), 1000, id="as much as is allowed"),
        pytest.param(frame(TEXT, b"x" * 4097), 1009, id="a byte more"),
        pytest.param(frame(TEXT, b"x" * 4000, fin=False) + frame(CONT, b"x" * 4000), 1009, id="more in two fragments"),
        pytest.param(frame(BINARY, b"\xff") + frame(CLOSE, b"\x03\xe9"), 1001, id="binary is ignored, its code echoed"),
        pytest.param(frame(CLOSE), 0, id="a close without a code"),
        pytest.param(frame(CLOSE, b"\x03"), 1002, id="half a code"),
        pytest.param(frame(CLOSE, b"\x03\xec"), 1002, id="a reserved code"),
        pytest.param(frame(CLOSE, b"\x03\xe8\xff"), 1007, id="a reason that is no text"),
        pytest.param(frame(TEXT, b"x", masked=False), 1002, id="not masked"),
        pytest.param(frame(TEXT, b"x", reserved=4), 1002, id="a reserved bit"),
        pytest.param(frame(3, b"x"), 1002, id="a reserved opcode"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="a long ping"),
        pytest.param(frame(PING, b"x", fin=False), 1002, id="a fragmented ping"),
        pytest.param(frame(CONT, b"x"), 1002, id="a continuation of nothing"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002, id="a message within a message"),
        pytest.param(frame(TEXT, b"\xff"), 1007, id="no UTF-8"),
        pytest.param(frame(TEXT, b"\xe2\x82"), 1007, id="half a character"),
        pytest.param(
            frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"\xff"), 1007, id="no UTF-8 in the second fragment"
        ),
        pytest.param(
            frame(TEXT, b"\xe2", fin=False) + frame(PING) + frame(CONT, b"\x82\xac") + frame(CLOSE, b"\x03\xe8"),
            1000,
            id="a character over two fragments and a ping between",
        ),
        pytest.param(
            frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xff") + frame(CLOSE, b"\x03\xe8"),
            1000,
            id="binary fragments are no text",
        ),
    ],
)
@pytest.mark.parametrize("pieces", [True, False], ids=["byte by byte", "at once"])
def test_frames(shared_gateway: Gateway, job: Job, sent: bytes, code: int, *, pieces: bool) -> None:
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id))
        assert client.response()[0] == 101
        assert client.frame().opcode is Opcode.TEXT
        if pieces and len(sent) < 200:
            for index in range(len(sent)):
                client.send(sent[index : index + 1])
        else:
            client.send(sent)
        assert client.frames_to_close()[1] == code


def test_what_comes_behind_an_error_does_not_reset_the_connection(shared_gateway: Gateway, job: Job) -> None:
    """Bytes that nobody reads would turn the close into a reset, and the client would never see the code."""
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id))
        assert client.response()[0] == 101
        client.send(frame(TEXT, b"x" * 5000) * 100)
        assert client.frames_to_close()[1] == 1009


def test_a_client_that_goes_without_a_word_is_forgotten(shared_gateway: Gateway, job: Job) -> None:
    with RawClient(shared_gateway) as client:
        client.send(handshake(job.id))
    assert shared_gateway.status("/readyz") == 200
