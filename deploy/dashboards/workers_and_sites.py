"""The dashboard *Workers and sites*: slots, children, disk, bucket, and how each site does."""

from boards import Board, Rows
from panels import graph, quantile_by, rate, series
from vidferry_common.metrics import catalogue as m


def folder(kind: str) -> str:
    return series(m.FOLDER_BYTES, "", f'kind="{kind}"')


FAILED_BY_SITE = rate(m.ATTEMPTS, "site", 'outcome="site"')
TRIED = rate(m.ATTEMPTS, "site", 'outcome=~"completed|reused|site|service"')

ROWS: Rows = {
    "Sites": [
        graph("Attempts by site", "The ten busiest sites; each worker names 50, and counts the rest as `other`.", "ops",
              [(f"topk(10, {rate(m.ATTEMPTS, 'site')})", "{{site}}")], stacked=True),
        graph("Failed because of the site", "The ten worst sites: share of their attempts.", "percentunit",
              [(f"topk(10, {FAILED_BY_SITE} / ({TRIED} > 0))", "{{site}}")]),
        graph("Attempts by outcome", "`request`, `site` and `service` are what a failure comes from.", "ops",
              [(rate(m.ATTEMPTS, "outcome"), "{{outcome}}")], stacked=True),
        graph("Sites file", "Entries of the sites file that are used, and that are not usable.", "short",
              [(f"max by (state) ({series(m.SITE_ENTRIES)})", "{{state}}")]),
        graph("Connections refused", "By reason: the address is denied, not public, or has another port.", "ops",
              [(rate(m.EGRESS_REFUSED, "reason"), "{{reason}}")]),
    ],
    "Workers": [
        graph("Slots in use", "Share of each worker's slots.", "percentunit",
              [(f"{series(m.ATTEMPTS_RUNNING)} / {series(m.SLOTS)}", "{{pod}}")]),
        graph("Oldest attempt", "How long each worker's oldest attempt has been running.", "s",
              [(series(m.OLDEST_ATTEMPT), "{{pod}}")]),
        graph("Workers lost, leases lost", "Attempts that lost their worker; workers that lost their lease.", "ops",
              [(rate(m.WORKER_LOSSES, "outcome"), "worker: {{outcome}}"), (rate(m.LEASES_LOST), "lease")]),
        graph("Writes that the fence refused", "By what was to be written.", "ops",
              [(rate(m.FENCED_WRITES, "write"), "{{write}}")]),
        graph("Retries", "Failed attempts that will be retried, by error code.", "ops",
              [(rate(m.RETRIES, "code"), "{{code}}")], stacked=True),
        graph("ffmpeg", "Workers by their version of ffmpeg.", "short",
              [(f"count by (version) ({series(m.FFMPEG_INFO)})", "{{version}}")]),
    ],
    "Pauses, and which yt-dlp runs": [
        graph("Sites that pause", "Sites that refused this service and are left alone for now, by error code.", "short",
              [(f"max by (code) ({series(m.PAUSED_SITES)})", "{{code}}")]),
        graph("Downloads that wait for a paused site", "By error code.", "short",
              [(f"max by (code) ({series(m.PAUSED_DOWNLOADS)})", "{{code}}")]),
        graph("yt-dlp", "Workers by the yt-dlp that new downloads run.", "short",
              [(f"count by (yt_dlp) ({series(m.YT_DLP_INFO)})", "{{yt_dlp}}")]),
        graph("Age of the bundle", "Since the publication of the bundle that runs.", "s",
              [(f"time() - max({series(m.BUNDLE_PUBLISHED)} > 0)", "age")]),
        graph("Looks for a newer yt-dlp", "By what came of them.", "ops",
              [(rate(m.BUNDLE_LOOKS, "outcome"), "{{outcome}}")]),
        graph("Switches to a bundle", "By outcome, and bundles that were taken back.", "ops",
              [(rate(m.BUNDLE_LOADS, "outcome"), "{{outcome}}"), (rate(m.BUNDLE_ROLLBACKS), "taken back")]),
        graph("Held versions", "Versions of yt-dlp that are never taken.", "short",
              [(f"max({series(m.BUNDLES_HELD)})", "held")]),
        graph("Spans", "Of traces: what became of them.", "ops", [(rate(m.SPANS, "outcome"), "{{outcome}}")]),
    ],
    "Children": [
        graph("Children", "Downloads, probes and lists that run.", "short", [(series(m.CHILDREN), "{{pod}}")]),
        graph("Memory of children", "All children of each worker.", "bytes", [(series(m.CHILDREN_MEMORY), "{{pod}}")]),
        graph("CPU of children", "CPUs in use by children, and by the workers themselves.", "short",
              [(rate(m.CHILDREN_CPU, "pod"), "{{pod}}"), (rate(m.PROCESS_CPU, "pod"), "{{pod}} itself")]),
        graph("Disk", "Bytes that the running downloads use, and may use, and bytes free on the file system.", "bytes",
              [(folder(kind), "{{pod}} " + kind) for kind in ("used", "max", "free")]),
        graph("Sandbox", "1 if the part confines the downloads of all workers.", "short",
              [(f"min by (part) ({series(m.SANDBOX)})", "{{part}}")]),
        graph("Looks", "Duration of probes, 95 %, by outcome.", "s", [quantile_by(m.PROBE_DURATION, "outcome", 0.95)]),
    ],
    "Bucket": [
        graph("Bucket", "1 if the bucket answers.", "short", [(series(m.BUCKET_UP), "{{pod}}")], width=8),
        graph("Errors of the bucket", "By kind.", "ops", [(rate(m.BUCKET_ERRORS, "kind"), "{{kind}}")], width=8),
        graph("Calls to the bucket, 95 %", "Duration by operation.", "s",
              [quantile_by(m.BUCKET_DURATION, "operation", 0.95)], width=8),
        graph("Sweeps", "Retention's sweeps, by outcome.", "ops", [(rate(m.SWEEPS, "outcome"), "{{outcome}}")],
              width=8),
        graph("Removed", "Bytes that retention has removed.", "Bps", [(rate(m.REMOVED_BYTES), "removed")], width=8),
        graph("Cookies", "Files of cookies, by state.", "short",
              [(f"max by (state) ({series(m.COOKIE_FILES)})", "{{state}}")], width=8),
    ],
}  # fmt: skip
BOARD = Board(
    "workers-and-sites",
    "vidferry-workers-sites",
    "Vidferry: workers and sites",
    "What workers do, what they take, and which sites fail. The metrics are explained in docs/metrics.md.",
    ROWS,
)
