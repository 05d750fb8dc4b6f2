"""One trace of each job, as a collector sees it."""

from pathlib import Path

import pytest

from support.children import descendants
from support.origin.site import Site
from support.otlp_receiver import OtlpReceiver, orphans, tree
from support.product import Product
from system.traces.caller import PARTS, Caller, named, without_watches
from system.traces.conftest import SECRET

pytestmark = pytest.mark.traces
POST = "POST /api/download"


def test_a_download_is_one_trace(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    job_id = product.post(site.url("/media/clip.mp4"), headers=caller.headers)
    watched = product.watch(job_id)

    spans = collector.wait_for_names(caller.trace, POST, "create downloads", "process downloads", *PARTS)

    assert tree(without_watches(spans)) == {"": [(POST, [("create downloads", [("process downloads", PARTS)])])]}
    assert not orphans(spans, caller.span)
    request, created, attempt = (named(spans, name) for name in (POST, "create downloads", "process downloads"))
    assert (request.service, request.kind, request.parent) == ("vidferry-api", "SERVER", caller.span)
    assert request.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": "/api/download",
        "http.response.status_code": 202,
    }
    assert (created.kind, created.attributes["vidferry.job.id"]) == ("PRODUCER", job_id)
    assert (attempt.service, attempt.kind) == ("vidferry-worker", "CONSUMER")
    assert attempt.attributes.items() >= {"vidferry.attempt": 1, "vidferry.outcome": "completed"}.items()
    assert not any(span.failed for span in spans)
    (stream,) = named(spans, "download").events
    assert stream == ("stream", {"vidferry.stream": 0, "vidferry.bytes": watched.last["result"]["size"]})
    assert watched.messages[0]["traceparent"] == f"00-{caller.trace}-{created.id}-01"
    for service, entry, span in ((product.api, "request", request), (product.worker, "download ended", attempt)):
        (logged,) = service.wait_for(entry, trace_id=caller.trace)
        assert logged["span_id"] == span.id


def test_nothing_tells_a_url_a_title_or_a_secret(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    url = site.url("/gated/told/clip.mp4") + "?token=hidden"
    job_id = product.post(url, headers=caller.headers)
    site.gate("told").wait_held()
    below = descendants(product.worker.pid)
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in below]
    site.gate("told").open()
    watched = product.watch(job_id)

    told = repr(collector.wait_for_names(caller.trace, "process downloads"))

    for hidden in ("/gated/", "hidden", watched.last["title"], "signature", product.home.name):
        assert hidden not in told
    assert {each["authorization"] for each in collector.headers} == {SECRET}
    assert SECRET not in "".join(each.log for each in (product.api, product.worker, product.gateway))
    assert len(environments) > 1  # the zygote, and the child that downloads
    assert not [each for each in environments if b"OTEL" in each or SECRET.encode() in each]


def test_who_joins_has_a_trace_of_its_own_with_a_link(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    url, other = site.url("/gated/join/clip.mp4"), Caller()
    first = product.post(url, headers=caller.headers)
    site.gate("join").wait_held()
    second = product.post(url, headers=other.headers)
    site.gate("join").open()
    product.watch(first)
    product.watch(second)

    spans = collector.wait_for_names(caller.trace, "create downloads", "process downloads")
    joined = collector.wait_for_names(other.trace, POST, "create downloads")

    assert named(spans, "create downloads").links == []
    assert named(joined, "create downloads").attributes["vidferry.outcome"] == "attached"
    assert named(joined, "create downloads").links == [(caller.trace, named(spans, "create downloads").id)]
    assert tree(without_watches(joined)) == {"": [(POST, ["create downloads"])]}
    assert not orphans(joined, other.span)


def test_retries_are_siblings(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    product.watch(product.post(site.url("/status/500"), headers=caller.headers))

    spans = collector.wait_for_names(caller.trace, "create downloads", *["process downloads", "extract"] * 2)

    retries = sorted((span for span in spans if span.name == "process downloads"), key=lambda span: span.start)
    assert [span.parent for span in retries] == [named(spans, "create downloads").id] * 2
    assert [span.attributes["vidferry.outcome"] for span in retries] == ["retried", "failed"]
    assert [span.attributes["error.type"] for span in retries] == ["origin_error"] * 2
    parts = [span for span in spans if span.name == "extract"]
    assert {span.parent for span in parts} == {span.id for span in retries}
    assert all(span.failed for span in (*retries, *parts))
    assert not orphans(spans, caller.span)


def test_an_attempt_whose_worker_dies_leaves_no_orphan(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    job_id = product.post(site.url("/gated/death/clip.mp4"), headers=caller.headers)
    site.gate("death").wait_held()
    with product.crew():
        product.worker.kill()
        site.gate("death").open()
        product.start_worker(lease="2", worker_name="heir")
        product.watch(job_id)
        spans = collector.wait_for_names(
            caller.trace, "create downloads", "requeue downloads", "process downloads", *PARTS
        )
        (logged,) = product.workers[-1].wait_for("a worker was lost", trace_id=caller.trace)
    product.worker.start()

    created, lost = named(spans, "create downloads"), named(spans, "requeue downloads")
    assert (lost.parent, lost.attributes["error.type"]) == (created.id, "worker_lost")
    assert (lost.attributes["vidferry.attempt"], lost.failed) == (1, True)
    assert logged["span_id"] == lost.id
    assert named(spans, "process downloads").attributes["vidferry.attempt"] == 2
    assert named(spans, "process downloads").parent == created.id
    assert not orphans(spans, caller.span)


def test_a_job_that_is_cancelled_has_not_failed(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    job_id = product.post(site.url("/gated/cancel/clip.mp4"), headers=caller.headers)
    site.gate("cancel").wait_held()
    product.cancel(job_id)

    spans = collector.wait_for_names(caller.trace, "process downloads", "download")

    assert named(spans, "process downloads").attributes["vidferry.outcome"] == "cancelled"
    assert not any(span.failed for span in spans)


def test_a_caller_decides_only_where_it_is_trusted(
    product: Product, collector: OtlpReceiver, site: Site, caller: Caller
) -> None:
    other, unrecorded, strangers = Caller(), Caller(), (product.api, product.client)
    product.watch(product.post(site.url("/media/clip.mp4"), headers=unrecorded.with_flags("00")))
    with product.crew():
        product.start_api(trust_traceparent="true")
        product.watch(product.post(site.url("/media/clip.mp4?2"), headers=caller.with_flags("00")))
        product.watch(product.post(site.url("/media/clip.mp4?3"), headers=other.headers))
    product.api, product.client = strangers

    collector.wait_for_names(unrecorded.trace, POST, "process downloads")
    collector.wait_for_names(other.trace, POST, "process downloads")
    assert not [span for span in collector.spans if span.trace == caller.trace]


def test_a_job_that_moves_has_a_link(product: Product, collector: OtlpReceiver, site: Site, caller: Caller) -> None:
    """Two URLs lead to one object: the second job moves to the download of the first."""
    name, other = "/gated/move/clip.mp4", Caller()
    first = product.post(site.url(name), headers=caller.headers)
    site.gate("move").wait_held()
    second = product.post(site.url("/redirect?to=" + site.url(name)), headers=other.headers)
    moved = collector.wait_for_names(other.trace, "process downloads")
    site.gate("move").open()
    product.watch(first)
    product.watch(second)

    spans = collector.wait_for_names(caller.trace, "create downloads", "process downloads")
    attempt = named(moved, "process downloads")
    assert attempt.attributes["vidferry.outcome"] == "moved"
    assert attempt.links == [(caller.trace, named(spans, "create downloads").id)]


def test_answers_tell_the_trace_and_the_requests_id(product: Product, collector: OtlpReceiver, caller: Caller) -> None:
    answer = product.client.post("/api/download", json={}, headers={**caller.headers, "X-Request-Id": "mine-7"})

    (request,) = collector.wait_for_names(caller.trace, POST)
    assert answer.headers["traceparent"] == answer.headers["traceresponse"] == f"00-{caller.trace}-{request.id}-01"
    assert answer.headers["x-request-id"] == "mine-7"
    assert request.attributes["http.response.status_code"] == 422
    assert not request.failed
    assert product.client.get("/api/jobs").headers["x-request-id"] not in {"", "mine-7"}


def test_what_became_of_spans_is_counted(product: Product, collector: OtlpReceiver, caller: Caller) -> None:
    product.client.post("/api/download", json={}, headers=caller.headers)
    collector.wait_for_names(caller.trace, POST)

    for admin in (product.api.admin, product.worker.admin):
        told = admin.until(lambda told: told.value("vidferry_spans_total", outcome="exported") > 0)
        assert [told.value("vidferry_spans_total", outcome=each) for each in ("failed", "dropped")] == [0, 0]


def test_reading_is_traced_for_those_who_trace_it(product: Product, collector: OtlpReceiver, caller: Caller) -> None:
    before = len(collector.spans)
    assert product.client.get("/api/jobs").status_code == 200
    assert product.client.get("/healthz").status_code == 200

    assert product.client.get("/api/jobs", headers=caller.headers).status_code == 200

    collector.wait_for_names(caller.trace, "GET /api/jobs")
    assert [span for span in collector.spans[before:] if span.name.startswith("GET")] == [
        *(span for span in collector.spans if span.trace == caller.trace)
    ]
