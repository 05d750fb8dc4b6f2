"""What clocks differ by, measured against a real Redis, and what is told where a latency is below nothing."""

import asyncio
import logging
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from websockets.asyncio.client import connect

from support import services
from support.children import until
from support.jobs import Job
from support.ports import free_port
from support.product import Product
from support.records import Records
from support.redis_server import RedisServer
from support.scrape import Admin, scrape_registry
from support.watchers import listen, received
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update, format_timestamp
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics import ClockOffset, Counter, NegativeLatencies, Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.settings import GatewaySettings
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.queue.reaper import LeaseReaper

pytestmark = pytest.mark.anyio
CLOCKS = "vidferry_common.metrics.clocks"
AHEAD = 100.0


@pytest.fixture
def clock_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process', and not Redis'."""
    monkeypatch.setattr(f"{CLOCKS}.time", lambda: time.time() + AHEAD)


def test_the_measure_with_the_shortest_round_trip_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CLOCKS}.time", lambda: 1000.0)
    offset = ClockOffset()
    assert offset.seconds is None
    assert offset.round_trip is None
    offset.record_measure(990.0, round_trip=4.0)
    assert offset.seconds == 8.0
    offset.record_measure(1004.0, round_trip=0.5)
    offset.record_measure(990.0, round_trip=4.0)
    assert offset.seconds == -4.25
    assert offset.round_trip == 4.0
    for _ in range(8):
        offset.record_measure(999.0, round_trip=1.0)
    assert offset.seconds == 0.5, "older ones don't count"


@pytest.mark.usefixtures("clock_ahead")
async def test_a_worker_measures_where_it_looks_for_leases(records: Records) -> None:
    metrics = WorkerMetrics(Registry(Service.WORKER), slots=4)
    await LeaseReaper(records.store, "worker", 60, metrics)._requeue_expired()
    assert metrics.clock_offset.seconds == pytest.approx(AHEAD, abs=1)


@pytest.mark.usefixtures("clock_ahead")
async def test_a_gateway_measures_with_its_probe(shared_server: RedisServer) -> None:
    told = {"redis_url": shared_server.url, "gateway_probe_seconds": 0.01}
    registry = Registry(Service.GATEWAY)
    gateway = Gateway(GatewaySettings.model_validate(told), registry)
    await gateway.start()
    await until(lambda: registry.clock_offset.seconds is not None)
    await gateway.stop()
    assert registry.clock_offset.seconds == pytest.approx(AHEAD, abs=1)


@pytest.mark.xdist_group("product")
def test_every_service_tells_how_far_it_is_from_redis(product: Product) -> None:
    for admin in product.admins:
        found = admin.until(lambda scrape: scrape.labels("vidferry_clock_offset_seconds") == [{}])
        assert abs(found.value("vidferry_clock_offset_seconds")) < 1, "one machine has one clock"


async def test_messages_from_the_future_are_counted_apart_and_told_once(
    records: Records, shared_server: RedisServer
) -> None:
    admin = Admin(free_port())
    with services.Gateway(shared_server.url, admin_port=str(admin.port)) as gateway:
        await gateway.connected()
        job = await Job.create(records.store)
        async with connect(gateway.uri(job.id)) as socket:
            await listen(socket, received(1))
            for percent in (20, 21):
                body = Update(Status.PROCESSING, Stage.DOWNLOADING, percent, "Downloading video", 1).body()
                future = format_timestamp(datetime.now(UTC) + timedelta(hours=1)).encode()
                late = re.sub(rb'(?<="timestamp":")[^"]+', future, body)
                await records.store.downloads.publish(job.claim, late, step=True)
            await listen(socket, received(2))
        found = await asyncio.to_thread(admin.scrape)
    assert found.value("vidferry_gateway_message_negative_latencies_total") == 2
    assert found.value("vidferry_gateway_message_latency_seconds_count") == 0
    (entry,) = gateway.logged("the machines' clocks differ")
    assert "from the future" in entry["what"]
    assert entry["ahead_seconds"] == pytest.approx(3600, abs=60)


async def test_a_download_that_ended_before_its_post_is_counted_apart_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = Registry(Service.WORKER)
    metrics = WorkerMetrics(registry, slots=4)
    for _ in range(2):
        metrics.count_failed(format_timestamp(datetime.now(UTC) + timedelta(hours=1)), ErrorCode.WORKER_LOST)
    found = await scrape_registry(registry)
    assert found.value("vidferry_download_negative_durations_total") == 2
    assert found.value("vidferry_download_duration_seconds_count", outcome="failed") == 0
    assert found.value("vidferry_downloads_finished_total", outcome="failed", code="worker_lost") == 2
    assert len([each for each in caplog.records if "ended before its POST" in vars(each).get("what", "")]) == 1


def test_what_clocks_in_step_differ_by_is_not_told_and_the_rest_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(f"{CLOCKS}.monotonic", lambda: now[0])
    counter = Counter(catalogue.NEGATIVE_DURATIONS, {})
    negative = NegativeLatencies(counter, ClockOffset(), "late")
    with caplog.at_level(logging.WARNING):
        negative.add(0.01)
        assert not caplog.messages
        for now[0], told in ((0.0, 1), (59.0, 1), (60.0, 2)):
            negative.add(0.1, 3)
            assert len(caplog.messages) == told
    assert counter.values == {(): 10}
