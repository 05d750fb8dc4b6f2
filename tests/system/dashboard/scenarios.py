"""Faults as Prometheus sees them, and which alerts must fire while each lasts. All others must not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GONE = None
"""the series ends"""

HEALTHY: dict[str, float] = {
    'vidferry_http_requests_total{route="/api/download",method="POST",code="202",pod="api-0"}': 60,
    'vidferry_http_requests_total{route="/api/download",method="POST",code="503",pod="api-0"}': 0,
    'vidferry_http_requests_total{route="/readyz",method="GET",code="503",pod="api-0"}': 9,
    'vidferry_downloads_finished_total{outcome="completed",code="none",pod="worker-0"}': 10,
    'vidferry_downloads_finished_total{outcome="cancelled",code="none",pod="worker-0"}': 10,
    'vidferry_downloads_finished_total{outcome="failed",code="private",pod="worker-0"}': 10,
    'vidferry_downloads_finished_total{outcome="failed",code="internal",pod="worker-0"}': 0,
    'vidferry_downloads_finished_total{outcome="failed",code="extractor_outdated",pod="worker-0"}': 0,
    'vidferry_queue_wait_seconds_count{pod="worker-0"}': 20,
    'vidferry_queue_wait_seconds_bucket{le="60.0",pod="worker-0"}': 20,
    'vidferry_gateway_message_latency_seconds_count{pod="gateway-0"}': 100,
    'vidferry_gateway_message_latency_seconds_bucket{le="1.0",pod="gateway-0"}': 100,
    'vidferry_attempts_total{site="example.org",outcome="completed",pod="worker-0"}': 2,
    'vidferry_attempts_total{site="example.org",outcome="site",pod="worker-0"}': 0,
    'vidferry_attempts_total{site="other",outcome="site",pod="worker-0"}': 9,
    'vidferry_bundle_rollbacks_total{pod="worker-0"}': 0,
    'vidferry_spans_total{outcome="exported",pod="api-0"}': 60,
    'vidferry_spans_total{outcome="failed",pod="api-0"}': 0,
    'vidferry_spans_total{outcome="dropped",pod="worker-0"}': 0,
    'vidferry_worker_deaths_total{outcome="requeued",pod="worker-0"}': 0,
    'vidferry_gateway_redis_lost_total{reason="behind",pod="gateway-0"}': 0,
    'vidferry_webhook_deliveries_total{outcome="delivered",pod="worker-0"}': 10,
    'vidferry_webhook_deliveries_total{outcome="retried",pod="worker-0"}': 1,
    'vidferry_retention_sweeps_total{outcome="completed",pod="worker-0"}': 0.1,
    'vidferry_retention_sweeps_total{outcome="failed",pod="worker-0"}': 0,
    'vidferry_event_loop_lag_seconds_bucket{le="0.005",pod="api-0"}': 240,
    'vidferry_event_loop_lag_seconds_bucket{le="1.0",pod="api-0"}': 240,
    'vidferry_event_loop_lag_seconds_bucket{le="+Inf",pod="api-0"}': 240,
    'vidferry_bundle_published_timestamp_seconds{pod="api-0"}': 0,
    'vidferry_paused_downloads{code="bot_check",pod="api-0"}': 0,
    'vidferry_paused_downloads{code="rate_limited",pod="api-0"}': 0,
    'vidferry_queue_oldest_waiting_seconds{pod="api-0"}': 5,
    'vidferry_queue_downloads{state="waiting",pod="api-0"}': 1,
    'vidferry_queue_downloads{state="running",pod="api-0"}': 2,
    'vidferry_worker_running_attempts{pod="worker-0"}': 2,
    'vidferry_worker_slots{pod="worker-0"}': 4,
    'vidferry_worker_bucket_up{pod="worker-0"}': 1,
    'vidferry_redis_up{pod="api-0"}': 1,
    'vidferry_gateway_redis_connected{pod="gateway-0"}': 1,
    'vidferry_redis_memory_bytes{kind="used",pod="api-0"}': 100,
    'vidferry_redis_memory_bytes{kind="max",pod="api-0"}': 1000,
    'vidferry_gateway_slow_sockets{pod="gateway-0"}': 0,
    'vidferry_gateway_sockets{pod="gateway-0"}': 100,
    'vidferry_worker_folder_bytes{kind="used",pod="worker-0"}': 100,
    'vidferry_worker_folder_bytes{kind="max",pod="worker-0"}': 1000,
    'vidferry_worker_folder_bytes{kind="free",pod="worker-0"}': 5000,
    'vidferry_worker_sandbox{part="seccomp",pod="worker-0"}': 1,
    'vidferry_worker_sandbox{part="landlock",pod="worker-0"}': 1,
    'vidferry_webhook_oldest_waiting_seconds{pod="api-0"}': 10,
    'vidferry_build_info{component="api",pod="api-0"}': 1,
    'vidferry_build_info{component="worker",pod="worker-0"}': 1,
    'vidferry_build_info{component="gateway",pod="gateway-0"}': 1,
    'vidferry_clock_offset_seconds{pod="api-0"}': 0.001,
    'vidferry_clock_offset_seconds{pod="worker-0"}': -0.002,
}
"""Each series as it is when all is well: a gauge's value, or by how much a counter rises each minute."""


def _one(beginning: str, *parts: str) -> str:
    """The series of HEALTHY that begins so and has these parts."""
    (found,) = [name for name in HEALTHY if name.startswith(beginning) and all(part in name for part in parts)]
    return found


@dataclass(frozen=True)
class Scenario:
    """A fault."""

    name: str
    fires: set[str]
    """the alerts at its end"""
    changes: Mapping[str, float | None]
    minutes: int = 10
    """that it lasts"""
    over: int = 30
    """minutes after its end at which no alert fires any more"""
    before: int = 60
    step: int = 1
    """minutes between two evaluations"""
    healthy: dict[str, float] = field(default_factory=dict)
    """what is otherwise than in HEALTHY, before and after as well"""

    def test(self) -> dict[str, Any]:
        """As `promtool test rules` reads it."""
        times = range(0, self.before + self.minutes + self.over + self.step, self.step)
        series = [
            {"series": _in_namespace(name), "values": " ".join(_values(name, times, self))}
            for name in HEALTHY | self.healthy
        ]
        ends = self.before + self.minutes
        checks: tuple[tuple[int, set[str]], ...] = ((self.before, set()), (ends, self.fires), (ends + self.over, set()))
        return {
            "interval": f"{self.step}m",
            "name": self.name,
            "input_series": series,
            "promql_expr_test": [_expect(minute, alerts) for minute, alerts in checks],
        }


def _in_namespace(name: str) -> str:
    return name.replace("{", '{namespace="media",')


def _values(name: str, times: Sequence[int], scenario: Scenario) -> list[str]:
    well = (HEALTHY | scenario.healthy)[name]
    is_counter = name.partition("{")[0].endswith(("_total", "_count", "_bucket"))
    total, values = 0.0, []
    for minute in times:
        broken = scenario.before < minute <= scenario.before + scenario.minutes
        now = scenario.changes.get(name, well) if broken else well
        total += (now or 0) * scenario.step
        values.append("_" if now is GONE else f"{total if is_counter else now:g}")
    return values


def _expect(minute: int, alerts: set[str]) -> dict[str, Any]:
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    expression = 'max by (alertname) (ALERTS{alertstate="firing"})'
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": samples}


REQUESTS_FAILED = _one("vidferry_http_requests_total", "503", "/api/download")
INTERNAL = _one("vidferry_downloads_finished_total", "internal")
STARTED_SOON = _one("vidferry_queue_wait_seconds_bucket")
CLAIMED = _one("vidferry_queue_wait_seconds_count")
SENT_SOON = _one("vidferry_gateway_message_latency_seconds_bucket")
OLDEST = _one("vidferry_queue_oldest_waiting_seconds")
RUNNING = _one("vidferry_worker_running_attempts")
SITE_COMPLETED, SITE_FAILED = (_one("vidferry_attempts_total", "example", name) for name in ("completed", '"site"'))
QUEUE = tuple(_one("vidferry_queue_downloads", state) for state in ("waiting", "running"))
BUCKET_UP = _one("vidferry_worker_bucket_up")
MEMORY_USED = _one("vidferry_redis_memory_bytes", "used")
SLOW_SOCKETS = _one("vidferry_gateway_slow_sockets")
RETRIED = _one("vidferry_webhook_deliveries_total", "retried")
DELIVERED = _one("vidferry_webhook_deliveries_total", "delivered")
SWEPT, SWEEP_FAILED = (_one("vidferry_retention_sweeps_total", name) for name in ("completed", "failed"))
PUBLISHED = _one("vidferry_bundle_published")
BOT_CHECKS = _one("vidferry_paused_downloads", "bot_check")
SPANS_FAILED, SPANS_DROPPED = (_one("vidferry_spans_total", outcome) for outcome in ("failed", "dropped"))
LAGS = tuple(_one("vidferry_event_loop_lag_seconds_bucket", bound) for bound in ("0.005", "1.0"))
OF_WORKER = [name for name in HEALTHY if "worker-0" in name]

AFTER_BUDGETS = 6 * 60 + 30
"""minutes until a short outage is in no window any more that ends an alert on a budget"""

SCENARIOS = (
    Scenario("requests fail", {"VidferryRequestsBudgetBurnsFast"}, {REQUESTS_FAILED: 30}, over=AFTER_BUDGETS),
    Scenario("downloads fail by the service", {"VidferryDownloadsBudgetBurnsFast"}, {INTERNAL: 10},
             over=AFTER_BUDGETS),
    Scenario("downloads start late", {"VidferryStartsBudgetBurnsFast", "VidferryStartsBudgetBurns"}, {STARTED_SOON: 0},
             minutes=55, over=AFTER_BUDGETS),
    Scenario("messages arrive late", {"VidferryMessagesBudgetBurnsFast"}, {SENT_SOON: 20}, minutes=14,
             over=AFTER_BUDGETS),
    Scenario(
        "everything fails a little",
        {f"Vidferry{name}BudgetBurns" for name in ("Requests", "Downloads", "Starts", "Messages")},
        {REQUESTS_FAILED: 0.3, INTERNAL: 0.5, STARTED_SOON: 15, SENT_SOON: 95},
        minutes=18 * 60, over=8 * 60, before=24 * 60, step=5,
    ),
    Scenario("a few requests fail", set(), {REQUESTS_FAILED: 0.2}),
    Scenario("no worker takes what is ready", {"VidferryNoWorkerTakesWork"},
             {OLDEST: 300, CLAIMED: 0, STARTED_SOON: 0}),
    Scenario(
        "there is no worker", {"VidferryNoWorkerTakesWork", "VidferryTargetMissing"},
        {OLDEST: 300, **dict.fromkeys(OF_WORKER, GONE)}, minutes=15,
    ),
    Scenario("workers are scaled to none", set(), dict.fromkeys(OF_WORKER, GONE) | dict.fromkeys(QUEUE, 0), minutes=15),
    Scenario("all slots are busy", set(), {OLDEST: 300, CLAIMED: 0, STARTED_SOON: 0, RUNNING: 4}, minutes=15),
    Scenario("downloads wait for long", {"VidferryDownloadsWait"}, {OLDEST: 1000}),
    Scenario("a site fails for everyone", {"VidferrySiteFails"}, {SITE_COMPLETED: 0, SITE_FAILED: 2}, 45, 45),
    Scenario("a site fails for some", set(), {SITE_FAILED: 4}, minutes=45),
    Scenario(
        "yt-dlp is too old",
        {"VidferryExtractorOutdated", "VidferryDownloadsBudgetBurnsFast", "VidferryDownloadsBudgetBurns"},
        {_one("vidferry_downloads_finished_total", "outdated"): 30}, minutes=40, over=AFTER_BUDGETS,
    ),
    Scenario("the bundle is too old", {"VidferryBundleTooOld"}, {PUBLISHED: -50 * 86_400}, 90),
    Scenario("a bundle is a month old", set(), {PUBLISHED: -30 * 86_400}, 90),
    Scenario("a bundle is taken back", {"VidferryBundleRolledBack"}, {_one("vidferry_bundle_rollbacks"): 0.1}, over=75),
    Scenario("downloads wait for hours for a site", {"VidferrySitePausedForLong"}, {BOT_CHECKS: 2}, 190),
    Scenario("a site pauses for a while", set(), {BOT_CHECKS: 200}, 170),
    Scenario("the collector refuses spans", {"VidferrySpansLost"}, {SPANS_FAILED: 60}, 40, 45),
    Scenario("too many spans wait", {"VidferrySpansLost"}, {SPANS_DROPPED: 30}, 40, 45),
    Scenario("a few spans are lost", set(), {SPANS_DROPPED: 2}, 40),
    Scenario("workers are lost", {"VidferryWorkersLost"}, {_one("vidferry_worker_deaths_total"): 1}),
    Scenario("Redis is away", {"VidferryRedisUnavailable"}, {_one("vidferry_redis_up"): 0}, minutes=4),
    Scenario("a gateway is cut off", {"VidferryRedisUnavailable"}, {_one("vidferry_gateway_redis_connected"): 0}, 4),
    Scenario("Redis' memory fills up", {"VidferryRedisMemoryHigh"}, {MEMORY_USED: 850}, minutes=15),
    Scenario("Redis is full", {"VidferryRedisFull"}, {MEMORY_USED: 900}, minutes=5),
    Scenario("Redis drops a gateway", {"VidferryGatewayDroppedByRedis"},
             {_one("vidferry_gateway_redis_lost_total"): 1}),
    Scenario("many clients do not read", {"VidferrySlowClients"}, {SLOW_SOCKETS: 30}, minutes=15),
    Scenario("a few clients of few do not read", set(), {SLOW_SOCKETS: 5}, minutes=15,
             healthy={_one("vidferry_gateway_sockets"): 6}),
    Scenario("downloads fill the disk", {"VidferryDiskNearlyFull"},
             {_one("vidferry_worker_folder_bytes", "used"): 950}),
    Scenario("something fills the volume", {"VidferryDiskNearlyFull"},
             {_one("vidferry_worker_folder_bytes", "free"): 5}),
    Scenario("a part of the sandbox is missing", {"VidferrySandboxMissing"},
             {_one("vidferry_worker_sandbox", "landlock"): 0}),
    Scenario(
        "the bucket refuses", {"VidferryBucketUnavailable"},
        {BUCKET_UP: 0, OLDEST: 300, CLAIMED: 0, STARTED_SOON: 0},
    ),
    Scenario("receivers refuse webhooks", {"VidferryWebhooksFail"}, {DELIVERED: 0, RETRIED: 10}, 40, 45),
    Scenario("a receiver is away for long", {"VidferryWebhooksFail"},
             {_one("vidferry_webhook_oldest_waiting_seconds"): 4000}, minutes=15),
    Scenario("retention fails", {"VidferryRetentionFails"}, {SWEPT: 0, SWEEP_FAILED: 0.1}, 7 * 60, 6 * 60 + 30),
    Scenario("an api is not scraped", {"VidferryTargetMissing"}, {_one("vidferry_build_info", '"api"'): GONE}, 15),
    Scenario("a clock is off", {"VidferryClockOffset"}, {_one("vidferry_clock_offset_seconds", "worker"): -2}, 15),
    Scenario("an event loop is blocked", {"VidferryEventLoopBlocked"}, dict(zip(LAGS, (0, 200), strict=True)), 20),
)  # fmt: skip
