"""The instruments, and what the services count with them, without a process."""

import asyncio
import math
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.records import Records
from support.scrape import scrape_registry
from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.stages import Stage
from vidferry_common.metrics import Registry, catalogue
from vidferry_common.metrics.busiest_sites import NAMED_SITES
from vidferry_common.metrics.catalogue import ATTEMPT_OUTCOMES, Service
from vidferry_common.metrics.definitions import OTHER, Definition, Kind, Label
from vidferry_common.metrics.registry import Form
from vidferry_worker.metrics import HighWaterMark, WorkerMetrics
from vidferry_worker.queue.reaper import LeaseReaper

pytestmark = pytest.mark.anyio

COUNTER = Definition("x_total", Kind.COUNTER, "X.", (Service.API,), (Label("a", ("1", "2")), Label("b")))
HISTOGRAM = Definition("y_seconds", Kind.HISTOGRAM, "Y.", (Service.API,), buckets=(0.1, 1.0))


async def test_values_outside_of_a_set_are_one_series() -> None:
    registry = Registry(Service.API)
    counter = registry.add_counter(COUNTER, b=("x",))
    for number in range(100):
        counter.add(str(number), f"x{number}")
    counter.add("1", "x", by=5)
    found = await scrape_registry(registry)
    assert found.value("x_total", a="1", b="x") == 5
    assert found.value("x_total", a="1", b=OTHER) == found.value("x_total", a="2", b=OTHER) == 1
    assert found.value("x_total", a=OTHER, b=OTHER) == 98
    assert len(counter.values) == 4


async def test_a_histogram_counts_up_to_each_bound() -> None:
    registry = Registry(Service.API)
    histogram = registry.add_histogram(HISTOGRAM)
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    found = await scrape_registry(registry)
    counts = [found.value("y_seconds_bucket", le=bound) for bound in ("0.1", "1.0", "+Inf")]
    assert counts == [2, 4, 5]
    assert found.value("y_seconds_count") == 5
    assert math.isclose(found.value("y_seconds_sum"), 8.65)


async def test_openmetrics_names_the_newest_trace_of_each_bucket() -> None:
    registry = Registry(Service.API)
    histogram = registry.add_histogram(HISTOGRAM)
    histogram.observe(0.05, trace="a" * 32)
    histogram.observe(0.06, trace="b" * 32)
    histogram.observe(0.07)
    histogram.observe(0.5)
    histogram.observe(7.0, trace="c" * 32)

    text = (await registry.scrape(Form.OPENMETRICS)).decode()
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    (family,) = (each for each in families if each.name == "y_seconds")
    named = {each.labels["le"]: each.exemplar for each in family.samples if each.exemplar}
    assert {bound: (each.labels, each.value) for bound, each in named.items()} == {
        "0.1": ({"trace_id": "b" * 32}, 0.06),
        "+Inf": ({"trace_id": "c" * 32}, 7.0),
    }
    assert all(0 <= time.time() - float(each.timestamp) < 60 for each in named.values())


async def test_both_forms_have_the_same_series_and_text_no_traces() -> None:
    registry = Registry(Service.WORKER)
    WorkerMetrics(registry, slots=4).new_stage_clock("a" * 32)
    registry.add_histogram(HISTOGRAM).observe(0.05, trace="a" * 32)

    texts = {form: (await registry.scrape(form)).decode().splitlines() for form in Form}
    series = {
        form: [line.partition(" # ")[0].rpartition(" ")[0] for line in lines if not line.startswith("#")]
        for form, lines in texts.items()
    }
    assert series[Form.TEXT] == series[Form.OPENMETRICS]
    assert not [name for name in series[Form.TEXT] if "_created" in name]
    assert "a" * 32 not in "\n".join(texts[Form.TEXT])
    assert texts[Form.OPENMETRICS][-1] == "# EOF"


async def test_the_series_of_a_worker_are_bounded_whatever_callers_name() -> None:
    """After 10,000 downloads of 1,000 sites that went in every way; docs/metrics.md states the bounds."""
    registry = Registry(Service.WORKER)
    metrics = WorkerMetrics(registry, slots=4)
    for number in range(10_000):
        metrics.count_attempt(f"https://site-{number % 1000}.example/{number}", ATTEMPT_OUTCOMES[number % 6])
        clock = metrics.new_stage_clock(f"{number:032x}")
        for stage in tuple(each for each in Stage if each is not Stage.DONE)[number % 3 :]:
            clock.enter_stage(stage)
        metrics.count_failed("2026-11-23T10:00:00.000Z", list(ErrorCode)[number % len(ErrorCode)], f"{number:032x}")
        metrics.yt_dlp_attempts.add(f"2026.{number}", None)
    found = await scrape_registry(registry)
    assert len(found.labels("vidferry_attempts_total")) == (NAMED_SITES + 1) * len(ATTEMPT_OUTCOMES) == 306
    samples = [sample for family in found.families.values() for sample in family.samples]
    assert len(samples) < 1000
    exemplars = (await registry.scrape(Form.OPENMETRICS)).decode().count(" # {")
    assert 10 < exemplars < 400


async def test_what_may_be_counted_is_there_before_it_happens(tmp_path: Path) -> None:
    """Else the first of each is none for increase()."""
    registry = Registry(Service.WORKER)
    WorkerMetrics(registry, slots=4)
    found = (await scrape_registry(registry)).labels("vidferry_downloads_finished_total")
    assert {(each["outcome"], each["code"]) for each in found} == {
        *(("failed", code.value) for code in ErrorCode),
        *((outcome, "none") for outcome in ("completed", "reused", "cancelled")),
    }

    told = {"bucket": f"file://{tmp_path}", "signing_key": "k" * 32, "redis_url": "redis://127.0.0.1"}
    registry = Registry(Service.API)
    create_app(ApiSettings.model_validate(told), registry)
    found = (await scrape_registry(registry)).labels("vidferry_http_requests_total")
    posts = {each["code"] for each in found if (each["route"], each["method"]) == ("/api/download", "POST")}
    assert {"202", "422", "500", "503"} <= posts


async def test_a_scrape_waits_for_what_it_needs() -> None:
    registry = Registry(Service.API)
    told: dict[str, float] = {}
    registry.add_reading(catalogue.REDIS_UP, lambda: told.get("up"))
    assert (await scrape_registry(registry)).labels("vidferry_redis_up") == []

    async def look() -> None:
        await asyncio.sleep(0)
        told["up"] = 1

    registry.before_scrape(look)
    assert (await scrape_registry(registry)).value("vidferry_redis_up") == 1


def test_only_a_rise_counts() -> None:
    rise = HighWaterMark()
    assert [rise.raise_to(figure) for figure in (10, 25, 5, 25, 30)] == [10, 15, 0, 0, 5]


async def test_lost_workers_are_counted_by_who_takes_up_their_leases(records: Records) -> None:
    registry = Registry(Service.WORKER)
    reaper = LeaseReaper(records.store, "worker", 60, WorkerMetrics(registry, slots=4))
    job = await records.created()
    for attempt in (1, 2, 3):
        await records.claimed(job, attempt)
        await records.end_lease(job.download_id)
        await reaper._requeue_expired()
    found = await scrape_registry(registry)
    assert found.value("vidferry_worker_deaths_total", outcome="requeued") == 2
    assert found.value("vidferry_worker_deaths_total", outcome="ended") == 1
    assert found.value("vidferry_downloads_finished_total", outcome="failed", code="worker_lost") == 1
    assert found.value("vidferry_download_duration_seconds_count", outcome="failed") == 1
    assert await records.redis.zcard(keys.LEASES) == 0
