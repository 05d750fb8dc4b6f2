"""The dashboard *API*: requests, refusals, jobs, and what a process takes."""

from http import HTTPStatus

from boards import Board, Rows
from panels import graph, process_panels, quantile_by, quantiles, rate
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.metrics import catalogue as m

UNAVAILABLE = "|".join(code for code in ProblemCode if code.status == HTTPStatus.SERVICE_UNAVAILABLE)

ROWS: Rows = {
    "Requests": [
        graph("Requests", "By route.", "reqps", [(rate(m.HTTP_REQUESTS, "route"), "{{route}}")], stacked=True),
        graph("Answers", "By HTTP status.", "reqps", [(rate(m.HTTP_REQUESTS, "code"), "{{code}}")], stacked=True),
        graph("Duration", "Of all requests, without the time that callers asked to wait.", "s",
              quantiles(m.HTTP_DURATION)),
        graph("Duration, 95 %", "By route.", "s", [quantile_by(m.HTTP_DURATION, "route", 0.95)]),
    ],
    "Refusals": [
        graph("Problem documents", "By code: limits that were reached, and the causes of 503.", "reqps",
              [(rate(m.HTTP_PROBLEMS, "code"), "{{code}}")], stacked=True),
        graph("503 by cause", "By the code of the problem document.", "reqps",
              [(rate(m.HTTP_PROBLEMS, "code", f'code=~"{UNAVAILABLE}"'), "{{code}}")], stacked=True),
        graph("Jobs refused", "By reason.", "reqps", [(rate(m.JOBS_REFUSED, "reason"), "{{reason}}")]),
        graph("Access refused", "By reason: wrong keys and tokens, missing scopes.", "reqps",
              [(rate(m.ACCESS_REFUSED, "reason"), "{{reason}}")]),
    ],
    "Jobs": [
        graph("Jobs accepted", "`created` started a download, `attached` joined one that exists.", "reqps",
              [(rate(m.JOBS_ACCEPTED, "outcome"), "{{outcome}}")]),
        graph("Jobs cancelled", "By their status before.", "reqps", [(rate(m.JOBS_CANCELLED, "status"), "{{status}}")]),
    ],
    "Processes": process_panels("api"),
}  # fmt: skip
BOARD = Board(
    "api",
    "vidferry-api",
    "Vidferry: API",
    "What callers ask, and what they are answered. The metrics are explained in docs/metrics.md.",
    ROWS,
)
