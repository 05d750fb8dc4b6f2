"""Batches, probes, webhooks and watches in the traces of their jobs."""

import pytest

from support.answers import accepted
from support.origin.site import Site
from support.otlp_receiver import OtlpReceiver, orphans, tree
from support.product import Product
from support.receiver import Received, Receiver, answer
from system.traces.caller import PARTS, Caller, named, without_watches

pytestmark = pytest.mark.traces


def test_a_batch_of_three_is_one_trace(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    urls = [site.url("/media/clip.mp4"), site.url("/media/clip.mp4?2"), "nonsense"]
    made = product.client.post("/api/batches", json={"urls": urls}, headers=caller.headers)
    product.watch(str(accepted(made)["job_id"]))

    spans = collector.wait_for_names(
        caller.trace, "create batches", "process batches", *["create downloads"] * 3, *["process downloads", *PARTS] * 2
    )

    download = ("create downloads", [("process downloads", PARTS)])
    (request,) = tree(without_watches(spans))[""]
    assert request[0] == "POST /api/batches"
    ((created, children),) = request[1]
    assert created == "create batches"
    assert sorted(children, key=str) == sorted([download, download, "create downloads", "process batches"], key=str)
    assert not orphans(spans, caller.span)
    assert named(spans, "process batches").attributes["vidferry.children"] == 3
    (failed,) = [span for span in spans if span.failed]
    assert (failed.name, failed.attributes["error.type"]) == ("create downloads", "invalid_url")


def test_a_probe_is_one_trace(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    for path in ("/media/clip.mp4", "/status/404"):
        product.client.post("/api/probes", json={"url": site.url(path)}, headers=caller.headers)

    spans = collector.wait_for_names(caller.trace, *["create probes", "process probes"] * 2)

    looks = [span for span in spans if span.name == "process probes"]
    assert {span.attributes.get("error.type") for span in looks} == {None, "unavailable"}
    assert {span.parent for span in looks} == {span.id for span in spans if span.name == "create probes"}
    assert len({span.parent for span in looks}) == 2
    logged = product.worker.wait_for("probe ", 2, trace_id=caller.trace)
    assert {entry["span_id"] for entry in logged} == {span.id for span in looks}
    assert not orphans(spans, caller.span)


def test_webhooks_are_told_in_the_trace_of_their_job(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    def take(received: Received) -> bytes:
        return answer(204 if received.event["type"] == "job.started" else 410)

    with Receiver(take) as receiver:
        webhook = {"url": receiver.url, "events": ["job.started", "job.completed"]}
        product.watch(product.post(site.url("/media/clip.mp4"), headers=caller.headers, webhook=webhook))
        spans = collector.wait_for_names(caller.trace, *["POST webhook"] * 2, "create downloads")

    told = sorted((span for span in spans if span.name == "POST webhook"), key=lambda span: span.start)
    assert {(span.kind, span.parent) for span in told} == {("CLIENT", named(spans, "create downloads").id)}
    assert {span.attributes["server.address"] for span in told} == {"127.0.0.1"}
    assert [span.attributes["http.response.status_code"] for span in told] == [204, 410]
    assert [span.attributes["vidferry.outcome"] for span in told] == ["delivered", "disabled"]
    assert [span.failed for span in told] == [False, True]
    (logged,) = product.worker.wait_for("the endpoint of a webhook", trace_id=caller.trace)
    assert logged["span_id"] == told[1].id
    assert "key=1" not in repr(spans)


def test_each_watch_is_one_span(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    job_id = product.post(site.url("/gated/watch/clip.mp4"), headers=caller.headers)
    site.gate("watch").wait_held()
    first = product.follow(job_id)
    product.follow(job_id).leave()
    collector.wait_for_names(caller.trace, "watch")
    site.gate("watch").open()
    late, first = product.watch(job_id), first.closed()

    spans = collector.wait_for_names(caller.trace, *["watch"] * 3, "create downloads")

    watches = sorted((span for span in spans if span.name == "watch"), key=lambda span: span.start)
    assert {span.parent for span in watches} == {named(spans, "create downloads").id}
    assert {(span.service, span.kind) for span in watches} == {("vidferry-gateway", "SERVER")}
    assert [span.attributes["vidferry.outcome"] for span in watches] == ["ended", "left", "ended"]
    counts = [span.attributes["vidferry.messages"] for span in watches]
    assert (counts[0], counts[2]) == (len(first.messages), len(late.messages))
    assert 0 < counts[1] < counts[0]
