"""Which watches become spans, and what these tell."""

import pytest

from support.otlp_receiver import OtlpReceiver
from support.tickets import signer
from unit.gateway.test_hub import JOB, Client, joined, published, status
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.tracing import Tracer, TracingSettings, start_tracing
from vidferry_gateway.hub import Hub
from vidferry_gateway.link_tickets import LinkTickets
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.watch_traces import WatchTraces

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def tracer(collector: OtlpReceiver) -> Tracer:
    return start_tracing(TracingSettings(otlp_endpoint=collector.url), "gateway")


def hub(tracer: Tracer, tickets: LinkTickets | None = None) -> Hub:
    metrics = GatewayMetrics(Registry(Service.GATEWAY))
    return Hub(lambda: None, metrics, link_tickets=tickets, traces=WatchTraces(tracer))


def recorded(message: bytes, flags: str = "01") -> bytes:
    """The message of a job in a trace."""
    return b'{"traceparent":"00-%b-%b-%b",' % (TRACE.encode(), SPAN.encode(), flags.encode()) + message[1:]


def test_a_watch_counts_what_it_was_sent(tracer: Tracer, collector: OtlpReceiver) -> None:
    core = hub(tracer)
    first = joined(core, Client(), recorded(status(2)), status(1), status(2))
    published(core, recorded(status(3)), recorded(status(4)))
    second = joined(core, Client(after=Cursor("0000000a", 3)), recorded(status(4)), status(1), status(2))
    published(core, b"another publisher's")
    core.leave(second)
    published(core, status(5, end=True))
    tracer.close()

    told = {span.attributes["vidferry.outcome"]: span for span in collector.spans}
    assert told["left"].attributes == {
        "vidferry.job.id": JOB, "vidferry.messages": len(second.got), "vidferry.resumed": True,
        "vidferry.outcome": "left",
    }  # fmt: skip
    assert told["ended"].attributes["vidferry.messages"] == len(first.got) == 6
    assert told["ended"].attributes["vidferry.resumed"] is False
    assert {(span.name, span.trace, span.parent) for span in told.values()} == {("watch", TRACE, SPAN)}


def test_a_watch_of_a_job_that_is_not_recorded_is_no_span(tracer: Tracer, collector: OtlpReceiver) -> None:
    core = hub(tracer)
    joined(core, Client(), recorded(status(1), flags="00"))
    joined(core, Client(), status(1))
    published(core, status(2, end=True))
    tracer.close()

    assert collector.requests == 0


def test_who_is_refused_appears_in_no_trace(tracer: Tracer, collector: OtlpReceiver) -> None:
    """Also not in that of the job of another owner."""
    core = hub(tracer, LinkTickets(signer()))
    stranger = Client(owner="alice")
    core.join(stranger)
    core.take_commands(10)
    core.answer_read(recorded(status(1)), (), b"bob")
    core.join(Client())
    core.take_commands(10)
    core.answer_read(None, ())
    tracer.close()

    assert stranger.code is not None
    assert collector.requests == 0


def test_a_text_in_a_message_names_no_trace(tracer: Tracer, collector: OtlpReceiver) -> None:
    core = hub(tracer)
    late = status(1)[:-1] + b',"metadata":' + b" " * 200 + recorded(b"{}")[:-2] + b"}}"
    client = joined(core, Client(), late)
    published(core, status(2, end=True))
    tracer.close()

    assert client.code is CloseCode.ENDED
    assert collector.requests == 0
