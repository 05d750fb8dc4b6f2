"""The dashboard *Progress and latency*: what waits, what is done, how late it is shown, what fails."""

import itertools
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableOption, VariableRefresh, VariableSort

from panels import SOURCE, figure, lines, quantile_by, quantiles, rate, select
from vidferry_common.metrics import catalogue as m

UID = "vidferry-progress-latency"
"""stable: links to the dashboard, and its next version, find it by this"""

WAITING, RUNNING = (select(m.QUEUE, "", f'state="{state}"') for state in ("waiting", "running"))
USED, MOST = (select(m.REDIS_MEMORY, "", f'kind="{kind}"') for kind in ("used", "max"))


def build() -> Any:
    board = (
        dashboard.Dashboard("Vidferry: progress and latency")
        .uid(UID)
        .description("From the POST to the last message on a socket. The metrics are explained in docs/metrics.md.")
        .tags(["vidferry"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Namespace")
            .description("Where Vidferry runs.")
            .datasource(SOURCE)
            .query(f"label_values({m.BUILD_INFO.name}, namespace)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    )
    number = itertools.count(1)
    for title, panels in ROWS.items():
        board = board.with_row(dashboard.Row(title).id(next(number)))
        for panel in panels:
            board = board.with_panel(panel.id(next(number)))
    return board.build()


ROWS: dict[str, list[Any]] = {
    "Now": [
        figure("Waiting", "Downloads that are due and have no worker.", "short",
               f"max({WAITING})"),
        figure("Running", "Downloads that workers hold.", "short", f"max({RUNNING})"),
        figure("Oldest waiting", "How long the download that waits longest has been due.", "s",
               f"max({select(m.QUEUE_OLDEST)})"),
        figure("Slots in use", "Of what the workers may run at once.", "percentunit",
               f"sum({select(m.ATTEMPTS_RUNNING)}) / sum({select(m.SLOTS)})"),
        figure("Sockets", "Connected now.", "short", f"sum({select(m.SOCKETS)})"),
        figure("Message latency, 99 %", "From the worker's clock to the socket's write.", "s",
               quantiles(m.MESSAGE_LATENCY)[2][0]),
    ],
    "Waiting": [
        lines("Waiting time", "From when an attempt was due to when a worker claimed it.", "s",
              quantiles(m.QUEUE_WAIT)),
        lines("Queue depth", "By state; deferred ones wait for their next try.", "short",
              [(f"max by (state) ({select(m.QUEUE)})", "{{state}}")]),
        lines("Age of the oldest waiting", "It rises steadily where nobody works.", "s",
              [(f"max({select(m.QUEUE_OLDEST)})", "oldest")]),
        lines("Jobs accepted", "Created ones have a download of their own, attached ones follow another's.", "reqps",
              [(rate(m.JOBS_ACCEPTED, "outcome"), "{{outcome}}")]),
    ],
    "Stage by stage": [
        lines("Each stage, half of them", "From a stage's first step to the next's; started is the extraction.", "s",
              [quantile_by(m.STAGE_DURATION, "stage", 0.5)]),
        lines("Each stage, 95 %", "What the slowest twentieth is over.", "s",
              [quantile_by(m.STAGE_DURATION, "stage", 0.95)]),
        lines("The whole, 95 %", "From the POST to the end, by outcome, waiting and retries included.", "s",
              [quantile_by(m.DOWNLOAD_DURATION, "outcome", 0.95)]),
        lines("Bytes", "From origins, and to the bucket.", "Bps",
              [(rate(m.DOWNLOADED_BYTES), "downloaded"), (rate(m.UPLOADED_BYTES), "uploaded")]),
        lines("Slots", "Attempts that run, of those that may.", "short",
              [(f"sum({select(m.ATTEMPTS_RUNNING)})", "running"), (f"sum({select(m.SLOTS)})", "slots")]),
        lines("Downloads finished", "By outcome; reused ones were in the bucket already.", "ops",
              [(rate(m.DOWNLOADS_FINISHED, "outcome"), "{{outcome}}")], stacked=True),
    ],
    "Messages": [
        lines("Message latency", "From the worker's clock to the socket's write; the clocks must agree.", "s",
              quantiles(m.MESSAGE_LATENCY)),
        lines("Clocks", "How far the clocks of processes are from Redis'; latencies are wrong by as much.", "s",
              [(f"max by (pod) (abs({select(m.CLOCK_OFFSET)}))", "{{pod}}")]),
        lines("Below nothing", "Latencies and durations that are negative, since one machine's clock is ahead.", "ops",
              [(rate(m.NEGATIVE_LATENCIES), "messages"), (rate(m.NEGATIVE_DURATIONS), "downloads")]),
        lines("Messages", "Published by workers, received by gateways, written to sockets, held for slow ones.",
              "ops",
              [(rate(m.PUBLISHED), "published"), (rate(m.MESSAGES_RECEIVED), "received"),
               (rate(m.MESSAGES_SENT), "sent"), (rate(m.MESSAGES_HELD), "held")]),
    ],
    "Errors": [
        lines("Failed downloads", "By error code.", "ops",
              [(rate(m.DOWNLOADS_FINISHED, "code", 'outcome="failed"'), "{{code}}")], stacked=True),
        lines("Retries", "Attempts that failed and are tried again, by error code.", "ops",
              [(rate(m.RETRIES, "code"), "{{code}}")], stacked=True),
        lines("Workers lost", "Leases taken up of workers that were killed or hung.", "ops",
              [(rate(m.WORKER_LOSSES, "outcome"), "{{outcome}}")]),
        lines("Refusals of the api", "By HTTP status.", "reqps",
              [(rate(m.HTTP_REQUESTS, "code", 'code=~"[45].."'), "{{code}}")], stacked=True),
        lines("Jobs refused", "The caller over its rate, the queue full, Redis' memory used up.", "reqps",
              [(rate(m.JOBS_REFUSED, "reason"), "{{reason}}")]),
        lines("Redis' memory", "Used, of its maxmemory: from 0.9 on no job is accepted.", "percentunit",
              [(f"max({USED}) / (max({MOST}) > 0)", "used")]),
        lines("Api latency, 95 %", "By route.", "s", [quantile_by(m.HTTP_DURATION, "route", 0.95)]),
        lines("Redis", "1 where it answers: to apis (the queue's depth), to gateways (the subscription).", "short",
              [(f"min({select(m.REDIS_UP)})", "api"), (f"min({select(m.REDIS_CONNECTED)})", "gateway")]),
    ],
    "Sockets": [
        lines("Sockets", "Connected now, by pod.", "short", [(f"sum by (pod) ({select(m.SOCKETS)})", "{{pod}}")],
              stacked=True),
        lines("Opened and joined", "Handshakes, and watchers that follow a job.", "ops",
              [(rate(m.SOCKETS_OPENED), "opened"), (rate(m.JOINS), "joined"),
               (rate(m.REDIS_CONNECTIONS), "connections to Redis")]),
        lines("Closed", "By close code: 1000 ended, 1001 the client left, 1006 cut, 1012 drained, 4008 too slow.",
              "ops", [(rate(m.SOCKETS_CLOSED, "code"), "{{code}}")], width=24,
              stacked=True),
    ],
}  # fmt: skip
