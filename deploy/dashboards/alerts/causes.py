"""Alerts on causes: what an operator can do something about, before or while people feel it."""

from alerts.rules import Alert, Severity, equals, grown, least, most, series, total
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.metrics import catalogue as m
from vidferry_common.metrics.definitions import Service

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
USED, MAX = most(m.REDIS_MEMORY, 'kind="used"'), most(m.REDIS_MEMORY, 'kind="max"')
FULL_SHARE = 0.9
"""of Redis' memory, from which on no job is accepted"""
DAY_SECONDS = 86_400
READY_SECONDS = 120
"""that a download is ready and no worker takes it"""


def _share(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"


def _folder(kind: str) -> str:
    return "max by (namespace, pod) (" + series(m.FOLDER_BYTES, equals("kind", kind)) + ")"


def _sweeps(outcome: str) -> str:
    return grown(m.SWEEPS, "6h", equals("outcome", outcome))


def _absent(component: Service) -> str:
    return "absent(" + series(m.BUILD_INFO, equals("component", component)) + ")"


_TRIED = 'outcome=~"completed|reused|site|service"'
_NO_WORKER = (
    f"{most(m.QUEUE_OLDEST)} > {READY_SECONDS}\n"
    f"unless on (namespace) {grown(m.QUEUE_WAIT, '5m', suffix='_count')} > 0\n"
    f"unless on (namespace) {total(m.ATTEMPTS_RUNNING)} >= {total(m.SLOTS)}\n"
    f"unless on (namespace) {least(m.BUCKET_UP)} == 0"
)
_SITE_FAILS = (
    _share(grown(m.ATTEMPTS, "30m", 'site!="other"', 'outcome="site"', by="namespace, site"),
           grown(m.ATTEMPTS, "30m", _TRIED, by="namespace, site"))
    + " >= @siteFailureShare@\nand on (namespace, site) "
    + f"{grown(m.ATTEMPTS, '30m', _TRIED, by='namespace, site')} >= @siteAttempts@"
)  # fmt: skip
_OUTDATED = equals("code", ErrorCode.EXTRACTOR_OUTDATED)
_OUTDATED_EXPRESSION = (
    _share(grown(m.DOWNLOADS_FINISHED, "1h", _OUTDATED), grown(m.DOWNLOADS_FINISHED, "1h"))
    + f" > @outdatedShare@\nand on (namespace) {grown(m.DOWNLOADS_FINISHED, '1h', _OUTDATED)} >= @minFailures@"
)
_UNDELIVERED = 'outcome=~"retried|given_up"'
_WEBHOOKS_EXPRESSION = (
    f"{most(m.UNDELIVERED_OLDEST)} > @webhookWaitSeconds@\nor\n("
    + _share(grown(m.WEBHOOKS, "30m", _UNDELIVERED), grown(m.WEBHOOKS, "30m"))
    + f" > @webhookFailureShare@\n  and on (namespace) {grown(m.WEBHOOKS, '30m', _UNDELIVERED)} >= @minFailures@)"
)
_DISK_EXPRESSION = (
    f"{_folder('used')} / {_folder('max')} > @diskShare@\nor\n"
    f"{_folder('used')} / ({_folder('used')} + {_folder('free')}) > @diskShare@"
)
_MISSING_EXPRESSION = (
    f"{_absent(Service.API)}\nor\n{_absent(Service.GATEWAY)}\nor\n"
    # No worker is right where workers are scaled to none.
    f"({_absent(Service.WORKER)} unless on (namespace) sum by (namespace) ({series(m.QUEUE)}) == 0)"
)
_DROPPED = grown(m.REDIS_LOST, "15m", equals("reason", m.RedisLoss.BEHIND))
_BUNDLE_AGE = f"time() - {most(m.BUNDLE_PUBLISHED)}"
_LOST_SPANS = grown(m.SPANS, "30m", 'outcome=~"failed|dropped"')
_LOST_SPANS_EXPRESSION = (
    _share(_LOST_SPANS, grown(m.SPANS, "30m"))
    + f" > @lostSpanShare@\nand on (namespace) {_LOST_SPANS} >= @minFailures@"
)
_LAG = f"sum by (namespace, pod, le) (rate({series(m.LOOP_LAG, suffix='_bucket')}[5m]))"

CAUSES = (
    Alert("VidferryNoWorkerTakesWork", CRITICAL,
          "Downloads are ready and slots are free, but no worker takes any.", _NO_WORKER, "3m"),
    Alert("VidferryDownloadsWait", WARNING,
          "The oldest download has waited for {{ $value | humanizeDuration }}.",
          f"{most(m.QUEUE_OLDEST)} > @waitSeconds@", "5m"),
    Alert("VidferrySiteFails", WARNING,
          "{{ $value | humanizePercentage }} of the attempts at {{ $labels.site }} fail because of the site.",
          _SITE_FAILS, "5m"),
    Alert("VidferryExtractorOutdated", WARNING,
          "{{ $value | humanizePercentage }} of the downloads fail because yt-dlp does not understand their sites.",
          _OUTDATED_EXPRESSION, "10m"),
    Alert("VidferryBundleTooOld", WARNING,
          "The yt-dlp that the workers have loaded was published {{ $value | humanizeDuration }} ago.",
          f"{_BUNDLE_AGE} > @bundleDays@ * {DAY_SECONDS}", "1h"),
    Alert("VidferryBundleRolledBack", WARNING,
          "A newer yt-dlp was taken back, because sites did not work any more.",
          f"{grown(m.BUNDLE_ROLLBACKS, '1h')} >= @bundleRollbacks@", "0m"),
    Alert("VidferrySitePausedForLong", WARNING,
          "{{ $value | humanize }} downloads wait for sites that pause with {{ $labels.code }}.",
          f"max by (namespace, code) ({series(m.PAUSED_DOWNLOADS)}) >= @pausedDownloads@", "@pausedSeconds@s"),
    Alert("VidferryWorkersLost", WARNING,
          "{{ $value | humanize }} attempts have lost their worker within 15 minutes.",
          f"{grown(m.WORKER_LOSSES, '15m')} >= @workerLosses@", "0m"),
    Alert("VidferryRedisUnavailable", CRITICAL,
          "Redis does not answer an api, or a gateway has no connection to it.",
          f"{least(m.REDIS_UP)} == 0\nor\n{least(m.REDIS_CONNECTED)} == 0", "1m"),
    Alert("VidferryRedisMemoryHigh", WARNING,
          "Redis uses {{ $value | humanizePercentage }} of its memory.",
          f"{_share(USED, MAX)} > @redisMemoryShare@", "10m"),
    Alert("VidferryRedisFull", CRITICAL,
          "Redis uses {{ $value | humanizePercentage }} of its memory, so no job is accepted.",
          f"{_share(USED, MAX)} >= {FULL_SHARE}", "1m"),
    Alert("VidferryGatewayDroppedByRedis", WARNING,
          "Redis has dropped a gateway that did not keep up.",
          f"{_DROPPED} > 0", "0m"),
    Alert("VidferrySlowClients", WARNING,
          "{{ $value | humanizePercentage }} of the sockets have clients that do not read.",
          f"{_share(total(m.SLOW_SOCKETS), total(m.SOCKETS))} > @slowClientShare@\n"
          f"and on (namespace) {total(m.SLOW_SOCKETS)} >= @slowClients@", "10m"),
    Alert("VidferryDiskNearlyFull", WARNING,
          "The downloads of {{ $labels.pod }} use {{ $value | humanizePercentage }} of the disk that they may use.",
          _DISK_EXPRESSION, "5m"),
    Alert("VidferrySandboxMissing", CRITICAL,
          "Downloads run without {{ $labels.part }}, which confines them.",
          f"min by (namespace, part) ({series(m.SANDBOX)}) == 0", "5m"),
    Alert("VidferryBucketUnavailable", CRITICAL,
          "The bucket refuses {{ $labels.pod }}, or does not answer it.",
          f"min by (namespace, pod) ({series(m.BUCKET_UP)}) == 0", "2m"),
    Alert("VidferryWebhooksFail", WARNING,
          "Receivers do not accept webhooks.", _WEBHOOKS_EXPRESSION, "10m"),
    Alert("VidferryRetentionFails", WARNING,
          "No sweep of the bucket has succeeded for six hours, so old videos stay.",
          f"{_sweeps('failed')} > 0\nunless on (namespace) {_sweeps('completed')} > 0", "10m"),
    Alert("VidferryTargetMissing", CRITICAL,
          "Prometheus reads no {{ $labels.component }}.", _MISSING_EXPRESSION, "5m"),
    Alert("VidferrySpansLost", WARNING,
          "{{ $value | humanizePercentage }} of the spans do not reach the collector.",
          _LOST_SPANS_EXPRESSION, "10m"),
    Alert("VidferryClockOffset", WARNING,
          "The clock of {{ $labels.pod }} is {{ $value | humanizeDuration }} off Redis'.",
          f"max by (namespace, pod) (abs({series(m.CLOCK_OFFSET)})) > @clockOffsetSeconds@", "10m"),
    Alert("VidferryEventLoopBlocked", WARNING,
          "The event loop of {{ $labels.pod }} runs 1 % of what is due more than {{ $value | humanizeDuration }} late.",
          f"histogram_quantile(0.99, {_LAG}) > @loopLagSeconds@", "10m"),
)  # fmt: skip
