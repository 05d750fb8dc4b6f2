"""The dashboard *Overview*: whether the objectives are met, what is left of their budgets, and likely causes."""

from alerts.objectives import OBJECTIVES, Objective
from alerts.rules import WHERE as ALERTS_WHERE
from boards import Board, Rows
from panels import RANGE, WHERE, WINDOW, graph, number, rate, series
from vidferry_common.metrics import catalogue as m

TITLES = {"requests": "Requests", "downloads": "Downloads", "starts": "Starts", "messages": "Messages"}


def failed_share(objective: Objective, window: str) -> str:
    """The share of the objective's events that failed, in the chosen namespaces together."""
    found = objective.ratio(window.strip("[]")).replace(ALERTS_WHERE, WHERE)
    return found.replace("sum by (namespace) ", "sum ")


ROWS: Rows = {
    "Objectives, over the time that is shown": [
        *(number(TITLES[each.name], f"The share that succeeded: {each.event}. The objective is {each.share:.1%}.",
                 "percentunit", f"1 - {failed_share(each, RANGE)}", width=6) for each in OBJECTIVES),
        *(number(f"{TITLES[each.name]}: budget left",
                 "The rest of what may fail in the time that is shown; below 0, more failed than may.",
                 "percentunit", f"1 - ({failed_share(each, RANGE)}) / {1 - each.share:.4g}", width=6)
          for each in OBJECTIVES),
        graph("Burn rates", "How many times as fast as it may each budget is used up. 1 is what may be; alerts fire at "
              "14.4 over an hour, 6 over six hours, 3 over a day and 1 over three.", "short",
              [(f"({failed_share(each, WINDOW)}) / {1 - each.share:.4g}", each.name) for each in OBJECTIVES],
              width=24),
    ],
    "What people do": [
        graph("Jobs accepted", "`created` started a download, `attached` joined one that exists.", "reqps",
              [(rate(m.JOBS_ACCEPTED, "outcome"), "{{outcome}}")], width=8),
        graph("Downloads finished", "By outcome.", "ops", [(rate(m.DOWNLOADS_FINISHED, "outcome"), "{{outcome}}")],
              width=8, stacked=True),
        graph("Sockets", "Connected WebSockets and event streams.", "short",
              [(f"sum({series(m.SOCKETS)})", "sockets")], width=8),
    ],
    "What may be the cause": [
        number("Oldest waiting", "How long the oldest ready download has waited.", "s",
               f"max({series(m.QUEUE_OLDEST)})"),
        number("Slots in use", "Share of the workers' slots that run a download.", "percentunit",
               f"sum({series(m.ATTEMPTS_RUNNING)}) / sum({series(m.SLOTS)})"),
        number("Redis", "1 if Redis answers every api.", "short", f"min({series(m.REDIS_UP)})"),
        number("Bucket", "1 if the bucket answers every worker.", "short", f"min({series(m.BUCKET_UP)})"),
        number("Sandbox", "1 if every part of it confines the downloads of all workers.", "short",
               f"min({series(m.SANDBOX)})"),
        number("Clocks", "The largest offset of a clock from Redis'.", "s", f"max(abs({series(m.CLOCK_OFFSET)}))"),
        graph("Failed downloads", "By error code.", "ops",
              [(rate(m.DOWNLOADS_FINISHED, "code", 'outcome="failed"'), "{{code}}")], stacked=True),
        graph("Problem documents of the api", "By code: limits that were reached, and the causes of 503.", "reqps",
              [(rate(m.HTTP_PROBLEMS, "code"), "{{code}}")], stacked=True),
        graph("Versions", "Processes by what they run.", "short",
              [(f"count by (component, version) ({series(m.BUILD_INFO)})", "{{component}} {{version}}")], width=24),
    ],
}  # fmt: skip
BOARD = Board(
    "overview",
    "vidferry-overview",
    "Vidferry: overview",
    "Objectives and budgets as docs/runbooks.md defines them, at the chart's default shares.",
    ROWS,
    since="now-24h",
)
