"""Requests that are sent again where a site sends nothing; what they are sent by is made up."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.channel import ConnectTimedOut
from vidferry_worker.child.patient_request import MAX_GIVEN, PatientRequest
from vidferry_worker.child.stall_timer import StallTimer

URL = "http://example.com/page"


class Silence(BytesIO):
    """A body of which nothing more comes after these bytes."""

    def read(self, amount: int | None = -1) -> bytes:
        data = super().read(amount)
        if not data:
            raise TransportError(cause=TimeoutError("read timed out"))
        return data


def body(content: bytes) -> Callable[[], Response]:
    return lambda: Response(BytesIO(content), URL, {})


def cut(content: bytes) -> Callable[[], Response]:
    return lambda: Response(Silence(content), URL, {})


def fail(cause: Exception) -> Callable[[], Response]:
    def send() -> Response:
        raise TransportError(cause=cause)

    return send


NOTHING = fail(TimeoutError("read timed out"))


class Sender:
    """Answers requests one after the other, and notes how long each may wait."""

    def __init__(self, *answers: Callable[[], Response]) -> None:
        self._answers: Iterator[Callable[[], Response]] = iter(answers)
        self.timeouts: list[float] = []

    def __call__(self, request: Request) -> Response:
        self.timeouts.append(request.extensions["timeout"])
        return next(self._answers)()


def request_of(sender: Sender, *, limit: float = 600, **how: Any) -> PatientRequest:
    return PatientRequest(Request(URL, **how), sender, StallTimer(limit))


def test_one_that_is_not_answered_is_sent_again() -> None:
    sender = Sender(*[NOTHING] * 10, body(b"page"))
    request = request_of(sender)
    request.open()

    assert request.read() == b"page"
    assert len(sender.timeouts) == 11


def test_a_body_that_stops_is_requested_again() -> None:
    sender = Sender(cut(b"pa"), NOTHING, cut(b"pag"), body(b"page"))
    request = request_of(sender)
    request.open()

    assert request.read() == b"page"


def test_also_where_a_part_of_it_was_given_already() -> None:
    sender = Sender(cut(b"pa"), cut(b"p"), body(b"page"))
    request = request_of(sender)
    request.open()

    assert (request.read(2), request.read(2), request.read()) == (b"pa", b"ge", b"")


def test_but_not_where_it_has_changed_since() -> None:
    sender = Sender(cut(b"pa"), body(b"other"))
    request = request_of(sender)
    request.open()
    request.read(2)

    with pytest.raises(JobFailure) as caught:
        request.read(2)
    assert caught.value.code is ErrorCode.STALLED


def test_nor_after_a_long_part() -> None:
    """It would have to be kept."""
    request = request_of(Sender(cut(b"x" * (MAX_GIVEN + 1))))
    request.open()
    request.read(MAX_GIVEN + 1)

    with pytest.raises(TransportError):
        request.read(1)


@pytest.mark.parametrize(
    "cause", [ConnectionResetError(), ConnectTimedOut(), OSError("no route")], ids=lambda cause: type(cause).__name__
)
def test_other_failures_are_told_at_once(cause: Exception) -> None:
    with pytest.raises(TransportError):
        request_of(Sender(fail(cause))).open()


def test_what_may_not_be_sent_twice_is_given_all_the_time() -> None:
    sender = Sender(NOTHING)
    with pytest.raises(TransportError):
        request_of(sender, data=b"a=1").open()
    assert sender.timeouts == [600]


def test_so_is_what_has_a_time_of_its_own() -> None:
    sender = Sender(NOTHING)
    with pytest.raises(TransportError):
        request_of(sender, extensions={"timeout": 5}).open()
    assert sender.timeouts == [5]


def test_it_ends_with_the_stall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    sender = Sender(*[NOTHING] * 10)

    def send(request: Request) -> Response:
        now[0] += request.extensions["timeout"]
        return sender(request)

    monkeypatch.setattr("vidferry_worker.child.stall_timer.time.monotonic", lambda: now[0])
    with pytest.raises(JobFailure) as caught:
        PatientRequest(Request(URL), send, StallTimer(600)).open()
    assert caught.value.code is ErrorCode.STALLED
    assert now == [pytest.approx(600)]


def test_a_request_that_can_be_spared_fails_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a playlist that never comes, where there is another one; but two of them in a row are too many."""
    now, timer = [0.0], StallTimer(30, spares_one=True)

    def send(request: Request) -> Response:
        now[0] += request.extensions["timeout"]
        return NOTHING()

    monkeypatch.setattr("vidferry_worker.child.stall_timer.time.monotonic", lambda: now[0])
    with pytest.raises(TransportError):
        PatientRequest(Request(URL), send, timer).open()
    assert now == [pytest.approx(30)]
    with pytest.raises(JobFailure):
        PatientRequest(Request(URL), send, timer).open()


def test_what_answers_after_a_spared_request_begins_all_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now, timer = [0.0], StallTimer(30, spares_one=True)

    def send(request: Request) -> Response:
        now[0] += request.extensions["timeout"]
        return NOTHING()

    monkeypatch.setattr("vidferry_worker.child.stall_timer.time.monotonic", lambda: now[0])
    for _ in range(2):
        with pytest.raises(TransportError):
            PatientRequest(Request(URL), send, timer).open()
        other = PatientRequest(Request(URL), Sender(body(b"page")), timer)
        other.open()
        assert other.read() == b"page"


@pytest.mark.parametrize("error", [HTTPError(Response(BytesIO(), URL, {}, 404)), TransportError("reset")])
def test_an_answer_after_a_time_out_that_is_still_handled_is_none(error: RequestError) -> None:
    """As where an extractor asks another address once the first was silent."""

    def refuse() -> Response:
        raise error

    sender = Sender(refuse, body(b"page"))
    try:
        NOTHING()
    except TransportError:
        with pytest.raises(type(error)):
            request_of(sender).open()
    assert len(sender.timeouts) == 1
