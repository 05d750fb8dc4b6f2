"""A job's way, in the figures of the services that it passed."""

import asyncio
import re
from importlib.metadata import version

import httpx2
import pytest

from support import tree
from support.jobs import redis_client
from support.origin.site import Site
from support.product import Product
from support.scrape import Scrape
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.metrics.catalogue import METRICS, PROCESS
from vidferry_common.metrics.definitions import OTHER, Definition, Kind, Service
from vidferry_common.store import QueueDepth, Store

pytestmark = pytest.mark.xdist_group("product")
DOCS = tree.DOCS / "metrics.md"


def depth(product: Product) -> QueueDepth:
    async def ask() -> QueueDepth:
        async with redis_client(product.redis) as client:
            return await Store(client, 60).queue.read_depth()

    return asyncio.run(ask())


def grown(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    """By how much all series with these labels have."""
    return after.total(name, **labels) - before.total(name, **labels)


def test_a_new_video_in_all_figures(product: Product, site: Site) -> None:
    api, worker, gateway = (admin.scrape() for admin in product.admins)

    watched = product.run(site.url("/media/clip.mp4"))

    size = watched.last["result"]["size"]
    found = product.api.admin.scrape()
    assert grown(api, found, "vidferry_jobs_accepted_total", outcome="created") == 1
    posted = {"route": "/api/download", "method": "POST"}
    assert grown(api, found, "vidferry_http_requests_total", **posted, code="202") == 1
    assert grown(api, found, "vidferry_http_request_duration_seconds_count", **posted) == 1

    found = product.worker.admin.until(lambda scrape: scrape.value("vidferry_worker_running_attempts") == 0)
    assert found.value("vidferry_worker_slots") == 4
    assert grown(worker, found, "vidferry_downloads_finished_total", outcome="completed", code="none") == 1
    assert grown(worker, found, "vidferry_download_duration_seconds_count", outcome="completed") == 1
    assert grown(worker, found, "vidferry_queue_wait_seconds_count") == 1
    assert grown(worker, found, "vidferry_attempts_total", site=OTHER, outcome="completed") == 1
    assert grown(worker, found, "vidferry_attempts_total") == 1
    assert grown(worker, found, "vidferry_bucket_call_duration_seconds_count", operation="upload") >= 1
    assert grown(worker, found, "vidferry_bucket_errors_total") == 0
    assert 0 <= grown(worker, found, "vidferry_queue_wait_seconds_sum") < 20
    stages = ("started", "info", "downloading", "merging", "downloaded", "uploading")
    assert [grown(worker, found, "vidferry_stage_duration_seconds_count", stage=stage) for stage in stages] == [1] * 6
    assert grown(worker, found, "vidferry_stage_duration_seconds_count") == 6
    spent = grown(worker, found, "vidferry_stage_duration_seconds_sum")
    assert 0 < spent <= grown(worker, found, "vidferry_download_duration_seconds_sum") + 0.1
    assert grown(worker, found, "vidferry_uploaded_bytes_total") == size
    assert grown(worker, found, "vidferry_downloaded_bytes_total") >= 0.9 * size
    assert grown(worker, found, "vidferry_messages_published_total", kind="step") == 12

    found = product.gateway.admin.until(
        lambda scrape: grown(gateway, scrape, "vidferry_gateway_sockets_closed_total") == 1
    )
    assert grown(gateway, found, "vidferry_gateway_sockets_opened_total") == 1
    assert grown(gateway, found, "vidferry_gateway_sockets_closed_total", code="1000") == 1
    assert found.value("vidferry_gateway_sockets") == 0
    assert grown(gateway, found, "vidferry_gateway_joins_total") == 1
    assert grown(gateway, found, "vidferry_gateway_messages_sent_total") == len(watched.messages)
    timed = grown(gateway, found, "vidferry_gateway_message_latency_seconds_count")
    assert 0 < timed <= grown(gateway, found, "vidferry_gateway_messages_received_total")
    assert 0 < grown(gateway, found, "vidferry_gateway_message_latency_seconds_sum") / timed < 1
    assert found.value("vidferry_gateway_redis_connected") == 1
    assert found.value("vidferry_gateway_redis_connections_total") >= 1


def test_a_stored_video_is_reused(product: Product, site: Site) -> None:
    url = site.url("/media/clip.mp4")
    product.run(url)
    before = product.worker.admin.scrape()

    assert product.run(url).last["result"]["reused"]

    after = product.worker.admin.scrape()
    assert grown(before, after, "vidferry_downloads_finished_total", outcome="reused", code="none") == 1
    assert grown(before, after, "vidferry_downloads_finished_total") == 1
    assert grown(before, after, "vidferry_uploaded_bytes_total") == 0
    stages = ("started", "info", "filename", "link", "metadata", "response")
    assert [grown(before, after, "vidferry_stage_duration_seconds_count", stage=stage) for stage in stages] == [1] * 6


@pytest.mark.parametrize(
    ("path", "code", "retries"), [("/status/404", "unavailable", 0), ("/status/500", "origin_error", 1)]
)
def test_a_failure_and_its_retries_by_code(path: str, code: str, retries: int, product: Product, site: Site) -> None:
    before = product.worker.admin.scrape()

    assert product.run(site.url(path)).last["error"]["code"] == code

    after = product.worker.admin.scrape()
    assert grown(before, after, "vidferry_downloads_finished_total", outcome="failed", code=code) == 1
    assert grown(before, after, "vidferry_downloads_finished_total") == 1
    assert grown(before, after, "vidferry_download_retries_total", code=code) == retries
    assert grown(before, after, "vidferry_attempts_total", outcome=ErrorCode(code).fault) == 1 + retries
    assert grown(before, after, "vidferry_download_duration_seconds_count", outcome="failed") == 1
    assert grown(before, after, "vidferry_queue_wait_seconds_count") == 1 + retries


def test_attempts_count_for_the_yt_dlp_that_they_ran(product: Product, site: Site) -> None:
    runs = {"yt_dlp": version("yt-dlp")}
    before = product.worker.admin.scrape()

    for path in ("/media/clip.mp4", "/status/404", "/status/500"):
        product.run(site.url(path))

    after = product.worker.admin.scrape()
    told = {
        outcome: grown(before, after, "vidferry_yt_dlp_attempts_total", **runs, outcome=outcome)
        for outcome in ("worked", "excused", "blamed")
    }
    assert told == {"worked": 1, "excused": 1, "blamed": 2}, "one of them is tried again"
    assert after.value("vidferry_worker_yt_dlp_info", **runs, ejs=version("yt-dlp-ejs")) == 1


def test_the_api_tells_what_the_worker_runs(product: Product) -> None:
    def workers() -> list[dict[str, str]]:
        found: list[dict[str, str]] = product.client.get("/api/version").json()["workers"]
        return found

    product.worker.wait_until(lambda: bool(workers()))
    (told,) = workers()
    assert (told["vidferry"], told["yt_dlp"]) == (version("vidferry-worker"), version("yt-dlp"))
    assert all(told.values())


def test_jobs_that_join_and_repeat_are_told_apart(product: Product, site: Site) -> None:
    url = site.url("/gated/join/clip.mp4")
    before = product.api.admin.scrape()
    first = product.post(url, headers={"Idempotency-Key": site.token})
    site.gate("join").wait_held()

    product.post(url)
    assert product.post(url, headers={"Idempotency-Key": site.token}) == first

    after = product.api.admin.scrape()
    site.gate("join").open()
    product.watch(first)
    told = [
        grown(before, after, "vidferry_jobs_accepted_total", outcome=each)
        for each in ("created", "attached", "replayed")
    ]
    assert told == [1, 1, 1]


def test_a_cancelled_job_is_counted_by_where_it_was(product: Product, site: Site) -> None:
    before = product.api.admin.scrape()
    job_id = product.post(site.url("/gated/cancel/clip.mp4"))
    site.gate("cancel").wait_held()

    for _ in range(2):
        assert httpx2.delete(f"{product.api.url}/api/jobs/{job_id}", timeout=20).json()["status"] == "cancelled"

    after = product.api.admin.scrape()
    assert grown(before, after, "vidferry_jobs_cancelled_total", status="processing") == 1
    assert grown(before, after, "vidferry_jobs_cancelled_total") == 1


def test_what_runs_is_seen_while_it_runs(product: Product, site: Site) -> None:
    job_id = product.post(site.url("/gated/run/clip.mp4"))
    with product.follow(job_id) as watcher:
        watcher.reached("downloading")
        site.gate("run").wait_held()
        running = product.worker.admin.until(lambda scrape: scrape.value("vidferry_worker_children_memory_bytes") > 0)
        assert running.value("vidferry_worker_running_attempts") == 1
        assert running.value("vidferry_worker_oldest_attempt_seconds") > 0
        assert running.value("vidferry_worker_children") == 1
        assert running.value("vidferry_worker_folder_bytes", kind="free") > 0
        assert running.value("vidferry_worker_folder_bytes", kind="max") > 0
        assert product.gateway.admin.scrape().value("vidferry_gateway_sockets") == 1
        queue = product.api.admin.until(
            lambda scrape: scrape.value("vidferry_queue_downloads", state="running") == depth(product).running
        )
        assert queue.value("vidferry_queue_downloads", state="running") == 1
        assert queue.value("vidferry_queue_downloads", state="waiting") == 0
        assert queue.value("vidferry_redis_up") == 1
        site.gate("run").open()
        assert watcher.closed().last["status"] == "completed"


def test_what_the_api_refuses_is_counted_by_its_code(product: Product) -> None:
    before = product.api.admin.scrape()
    product.client.get("/api/jobs/6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40")
    product.client.get("/nothing")
    product.client.get("/healthz", headers={"host": "evil.example"})
    after = product.api.admin.scrape()
    for code in ("job_not_found", "not_found", "unknown_host"):
        assert grown(before, after, "vidferry_http_problems_total", code=code) == 1
    assert grown(before, after, "vidferry_http_problems_total") == 3


def test_what_a_child_may_not_reach_is_counted(product: Product) -> None:
    before = product.worker.admin.scrape()
    assert product.run("http://198.51.100.7/clip.mp4").last["error"]["code"] == "forbidden_address"
    after = product.worker.admin.scrape()
    assert grown(before, after, "vidferry_worker_egress_refused_total", reason="not_public") >= 1
    assert grown(before, after, "vidferry_attempts_total", outcome="request") == 1


def test_every_loop_and_way_to_redis_is_measured(product: Product) -> None:
    for admin in product.admins:
        found = admin.until(lambda scrape: scrape.value("vidferry_event_loop_lag_seconds_count") > 0)
        admin.until(lambda scrape: scrape.value("vidferry_redis_round_trip_seconds") > 0)
        assert found.value("vidferry_event_loop_lag_seconds_sum") < 60


def test_a_refused_socket_is_counted_by_its_code(product: Product) -> None:
    before = product.gateway.admin.scrape()
    assert product.watch("6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40").close_code == 4504
    product.gateway.admin.until(
        lambda scrape: grown(before, scrape, "vidferry_gateway_sockets_closed_total", code="4504") == 1
    )


def test_a_client_that_leaves_is_counted_by_its_own_code(product: Product, site: Site) -> None:
    before = product.gateway.admin.scrape()
    job_id = product.post(site.url("/gated/leave/clip.mp4"))
    watcher = product.follow(job_id)
    watcher.reached("downloading")
    watcher.leave(1001)
    product.gateway.admin.until(
        lambda scrape: grown(before, scrape, "vidferry_gateway_sockets_closed_total", code="1001") == 1
    )
    site.gate("leave").open()
    product.watch(job_id)


def test_no_caller_makes_a_series(product: Product, site: Site) -> None:
    for admin in product.admins:
        admin.scrape()
    with httpx2.Client(base_url=product.api.url, timeout=20) as client:
        for number in range(30):
            client.request(("PROPFIND", "MKCOL", "PURGE")[number % 3], f"/api/jobs/{number}")
            client.get(f"/nothing/{number}/{site.token}")
            client.get(f"/static/{number}.js")
            client.get(f"/files/videos/{number}")
            client.get(f"/api/jobs/{number}", headers={"traceparent": f"{number}"})
            client.post("/api/download", content=b"{" * number)
            assert product.watch(f"{site.token}{number}").close_code == 4504

    labels = product.api.admin.scrape().labels("vidferry_http_requests_total")
    described = product.client.get("/openapi.json").json()["paths"].keys()
    further = {"/", "/static", "/files/{name:path}", "/readyz", "/healthz", OTHER}
    sockets = {"/ws/downloads", "/ws/download/{job_id}", "/sse/download/{job_id}"}
    assert {each["route"] for each in labels} <= {*described, *further, *sockets}
    assert {each["method"] for each in labels} <= {"GET", "POST", "PATCH", "HEAD", "DELETE", OTHER}
    assert {"route": OTHER, "method": "GET", "code": "404"} in labels
    assert {"route": "/static", "method": "GET", "code": "404"} in labels
    assert any(each["method"] == OTHER for each in labels)
    told = "\n".join(admin.get("/metrics").text for admin in product.admins)
    assert site.token not in told


@pytest.mark.parametrize("service", list(Service))
def test_the_docs_tell_what_is_exported(service: Service, product: Product) -> None:
    admin = dict(zip((Service.API, Service.WORKER, Service.GATEWAY), product.admins, strict=True))[service]
    expected = {each.name: each for each in (*METRICS, *PROCESS) if service in each.services}
    found = admin.until(lambda scrape: len(scrape.families) == len(expected)).families

    told = {row[1] for row in re.finditer(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)}
    assert {_name(name, metric.type) for name, metric in found.items()} == set(expected) <= told
    for name, metric in found.items():
        definition = expected[_name(name, metric.type)]
        assert metric.type == definition.kind
        assert metric.documentation == definition.help or definition in PROCESS
        known = {label.name: label.values for label in definition.labels}
        for sample in metric.samples:
            assert sample.labels.keys() - {"le"} == known.keys()
            assert all(
                not known[key] or value in {*known[key], OTHER} for key, value in sample.labels.items() if key != "le"
            )


def _name(family: str, kind: str) -> str:
    """The parser takes a counter's ending off."""
    return f"{family}_total" if kind == "counter" else family


@pytest.mark.parametrize("definition", METRICS, ids=lambda each: each.name)
def test_names_keep_the_conventions(definition: Definition) -> None:
    assert re.fullmatch(r"vidferry_[a-z_]+", definition.name)
    assert definition.name.endswith("_total") is (definition.kind is Kind.COUNTER)
    assert definition.help.endswith(".")
    assert (definition.kind is Kind.HISTOGRAM) is bool(definition.buckets)
    assert list(definition.buckets) == sorted(set(definition.buckets))
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", definition.name)
