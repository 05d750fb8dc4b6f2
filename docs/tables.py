"""Writes docs/settings.md, errors.md, metrics.md and a table in SECURITY.md from the code: `make docs`.

`python docs/tables.py --check` only fails if a file is out of date.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from vidferry_api.access_settings import ApiAccessSettings
from vidferry_api.settings import ApiSettings
from vidferry_common.access import AccessSettings
from vidferry_common.bucket import BucketSettings
from vidferry_common.contract.errors import ErrorCode, ProblemCode
from vidferry_common.contract.result import WarningCode
from vidferry_common.http.known_hosts import HostSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.metrics.busiest_sites import NAMED_SITES
from vidferry_common.metrics.catalogue import ATTEMPT_OUTCOMES, METRICS, OTHER, PROCESS
from vidferry_common.metrics.definitions import Definition, Label, Service
from vidferry_common.settings import Settings, variable_of
from vidferry_common.store import RedisSettings
from vidferry_common.tracing import TracingSettings
from vidferry_common.webhooks.settings import WebhookSettings
from vidferry_gateway.settings import GatewaySettings
from vidferry_local.settings import LocalSettings
from vidferry_worker.child.sandbox.seccomp_rules import ALLOWED_COMMANDS, FORBIDDEN
from vidferry_worker.settings import WorkerSettings

SERVICES = {Service.API: "api", Service.WORKER: "worker", Service.GATEWAY: "ws-gateway"}

FOLDER = Path(__file__).parent

GROUPS: tuple[tuple[str, type[Settings]], ...] = (
    ("All services", LogSettings),
    ("All services: traces", TracingSettings),
    ("All services: Redis", RedisSettings),
    ("All services: hosts", HostSettings),
    ("All services: the admin port", AdminSettings),
    ("api and worker: the bucket", BucketSettings),
    ("api and ws-gateway: access", AccessSettings),
    ("api and worker: webhooks", WebhookSettings),
    ("api: access", ApiAccessSettings),
    ("api", ApiSettings),
    ("worker", WorkerSettings),
    ("ws-gateway", GatewaySettings),
    ("`make up`", LocalSettings),
)

COMPUTED = {"worker_folder": "`vidferry-worker` in the system's folder for temporary files",
            "worker_name": "host name and process id"}  # fmt: skip


def settings_page() -> str:
    """The page of settings. Each is listed once, and again under a program that overrides its description."""
    lines = [
        "# Settings",
        "",
        "All settings are environment variables. Each program reads them once, when it starts. If a value is not",
        "valid, the program exits and says which one and why. `make docs` writes this page from the `Settings`",
        "classes.",
    ]
    listed: dict[str, Any] = {}
    for title, kind in GROUPS:
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, info in kind.model_fields.items():
            if listed.get(name) == info.description:
                continue
            listed[name] = info.description
            lines.append(
                f"| `{variable_of(kind, name)}` | {_format_default(name, info)} | {_escape(info.description or '')} |"
            )
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    lines = [
        "# Error codes",
        "",
        "Codes are stable: use them in programs. The sentences are for people and may change. `make docs` writes this",
        "page.",
        "",
        "## A job's failure",
        "",
        "`error.code` in the last message of a failed job, with this sentence as `error.message`. If a retry may help,",
        "`error.retryable` is true; Vidferry has then already retried the download several times (`VIDFERRY_RETRIES`),",
        "where the table says *once* only once. [sites.md](sites.md#when-a-site-fails) says what an operator can do.",
        "",
        f"With {_list_codes(code for code in ErrorCode if code.parks_site)} the site asks this service for",
        "fewer requests. The download then waits until the pause of the site is over, and uses up no retry. It fails",
        "when it was refused six times ([sites.md](sites.md#politeness)).",
        "",
        "`playlist` also tells how many videos the list has, and `format_unavailable` in which formats the video is",
        "there. `error.site` is the site of the URL, such as `example.org`. `error.yt_dlp_version` is the version of",
        "yt-dlp that read it, or null where something else failed, such as the bucket.",
        "",
        "| code | retryable | sentence |",
        "|---|---|---|",
        *(f"| `{code}` | {_describe_retries(code)} | {_escape(code.sentence)} |" for code in ErrorCode),
        "",
        "## Warnings",
        "",
        "`code` in `result.warnings` of a completed job, or in `batch.warnings` of a batch.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {code.summary} |" for code in WarningCode),
        "",
        "## Refused requests",
        "",
        "`code` in the problem documents (RFC 9457, `application/problem+json`) of api and ws-gateway. The meaning is",
        "the document's `title`; its `detail` says what to do.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
        *(f"| `{code}` | {code.status} | {_escape(code.summary)} |" for code in ProblemCode),
    ]
    return "\n".join(lines) + "\n"


def _describe_retries(code: ErrorCode) -> str:
    if not code.retryable:
        return "no"
    return "yes, once" if code.most_retries == 1 else "yes"


def _list_codes(codes: Iterable[ErrorCode]) -> str:
    *first, last = (f"`{code}`" for code in codes)
    return f"{', '.join(first)} and {last}"


def metrics_page() -> str:
    """The page of metrics. Each is listed once, under the service that exports it."""
    lines = [
        "# Metrics",
        "",
        "Each service serves its metrics for Prometheus as `/metrics` on its admin port (`VIDFERRY_ADMIN_PORT`, 9090),",
        "never on its public port. `make up` serves no metrics by default. Each label has a fixed set of values; any",
        f"other value counts as `{OTHER}`. No label contains a URL, an IP address, a user or a job. The label `site`",
        f"has the registered domains of a worker's {NAMED_SITES} busiest sites, so `vidferry_attempts_total` has at",
        f"most {(NAMED_SITES + 1) * len(ATTEMPT_OUTCOMES)} series for each worker, whatever callers name. After 10,000",
        "downloads of 1,000 sites a worker has fewer than 1,000 series, all metrics together.",
        "",
        "Who accepts `application/openmetrics-text`, as Prometheus does, gets OpenMetrics; everybody else gets text.",
        "Series have the same names in both. In OpenMetrics, buckets of latencies have **exemplars** with a",
        "`trace_id`: one for each bucket, only of [traces](traces.md#from-a-latency-to-its-trace) that are recorded.",
        "",
        "Counters count for one process; add them up with `sum(rate(…))`. Each api reports the queue of all workers,",
        "so use `max` for the queue's metrics. Grafana's dashboards are in `deploy/helm/vidferry/dashboards/`, and",
        "[runbooks.md](runbooks.md) explains the alerts. `make docs` writes this page.",
    ]
    sections: list[tuple[str, tuple[Service, ...]]] = [(SERVICES[service], (service,)) for service in Service]
    sections += [("api and worker", (Service.API, Service.WORKER)), ("Every service", tuple(Service))]
    for title, services in sections:
        rows = _metric_table(each for each in (*METRICS, *PROCESS) if each.services == services)
        lines += ["", f"## {title}", "", *rows]
    return "\n".join(lines) + "\n"


def _metric_table(definitions: Iterable[Definition]) -> list[str]:
    rows = ["| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    for each in definitions:
        labels = "<br>".join(_describe_label(label) for label in each.labels) or "–"
        rows.append(f"| `{each.name}` | {each.kind} | {each.unit or '–'} | {labels} | {_escape(each.help)} |")
        if each.buckets:
            bounds = ", ".join(f"{bound:g}" for bound in each.buckets)
            exemplars = " With exemplars." if each.exemplars else ""
            rows[-1] = rows[-1].removesuffix(" |") + f" Bounds: {bounds}.{exemplars} |"
    return rows


def _describe_label(label: Label) -> str:
    return f"`{label.name}`: {label.meaning or ', '.join(label.values)}"


def _format_default(name: str, info: Any) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    value = info.default
    if value is PydanticUndefined:
        return "**required**"
    if value is None or value in ((), frozenset(), "") or isinstance(value, SecretStr):
        return "–"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def security_page() -> str:
    """SECURITY.md with the table of what the seccomp filter allows."""
    rows = ["| call | allowed command | used for |", "|---|---|---|"]
    for call, (_, commands) in ALLOWED_COMMANDS.items():
        rows += [f"| `{call}` | `{command.name}` | {command.needed_for} |" for command in commands]
    rows += ["", "The filter refuses these calls completely:", "", "| purpose | calls |", "|---|---|"]
    rows += [f"| {reason} | {', '.join(f'`{name}`' for name in names)} |" for reason, names in FORBIDDEN.items()]
    before, mark, rest = (FOLDER.parent / "SECURITY.md").read_text().partition("<!-- calls -->\n")
    return before + mark + "\n".join(rows) + "\n" + rest[rest.index("<!-- /calls -->") :]


PAGES = {
    "docs/settings.md": settings_page, "docs/errors.md": errors_page, "docs/metrics.md": metrics_page,
    "SECURITY.md": security_page,
}  # fmt: skip


def main() -> int:
    stale = [name for name, page in PAGES.items() if not _is_current(FOLDER.parent / name, page())]
    if "--check" in sys.argv:
        for name in stale:
            print(f"{name} is out of date: run make docs")
        return 1 if stale else 0
    for name in stale:
        (FOLDER.parent / name).write_text(PAGES[name]())
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
