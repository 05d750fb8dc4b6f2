"""Writes the tables of docs/settings.md and docs/errors.md from the code that they describe: `make docs`.

`python docs/tables.py --check` fails where a file is not what it would write.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from vidferry_api.settings import ApiSettings
from vidferry_common.bucket import BucketSettings
from vidferry_common.contract.errors import ErrorCode, ProblemCode
from vidferry_common.log import LogSettings
from vidferry_common.settings import Settings
from vidferry_common.store import RedisSettings
from vidferry_gateway.settings import GatewaySettings
from vidferry_local.settings import LocalSettings
from vidferry_worker.settings import WorkerSettings

FOLDER = Path(__file__).parent

GROUPS: tuple[tuple[str, type[Settings]], ...] = (
    ("All services", LogSettings),
    ("All services: Redis", RedisSettings),
    ("api and worker: the bucket", BucketSettings),
    ("api", ApiSettings),
    ("worker", WorkerSettings),
    ("ws-gateway", GatewaySettings),
    ("`make up`", LocalSettings),
)

COMPUTED = {"worker_folder": "`vidferry-worker` in the system's folder for temporary files",
            "worker_name": "host name and process id"}  # fmt: skip


def settings_page() -> str:
    """Each setting once, where it first applies; what a program overrides is listed there again."""
    lines = [
        "# Settings",
        "",
        "All settings are environment variables, read once at the start. A wrong value ends the program with a",
        "sentence. This page is written by `make docs` from the `Settings` classes.",
    ]
    told: dict[str, Any] = {}
    for title, kind in GROUPS:
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, info in kind.model_fields.items():
            if told.get(name) == info.description:
                continue
            told[name] = info.description
            lines.append(f"| `VIDFERRY_{name.upper()}` | {_default(name, info)} | {_cell(info.description or '')} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    lines = [
        "# Error codes",
        "",
        "Codes are stable: programs decide by them, people read the sentence beside them. Written by `make docs`.",
        "",
        "## A job's failure",
        "",
        "`error.code` of a job's last message. Where a repetition may help, Vidferry has tried again by itself before",
        "it gave up (`VIDFERRY_RETRIES`), and `error.retryable` is true.",
        "",
        "| code | tried again | what a person is told |",
        "|---|---|---|",
        *(f"| `{code}` | {'yes' if code.retryable else 'no'} | {_cell(code.sentence)} |" for code in ErrorCode),
        "",
        "## The api's refusals",
        "",
        "`code` of the problem document (RFC 9457, `application/problem+json`); its `detail` says what to do.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
        *(f"| `{code}` | {code.status} | {_cell(code.summary)} |" for code in ProblemCode),
    ]
    return "\n".join(lines) + "\n"


def _default(name: str, info: Any) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    value = info.default
    if value is PydanticUndefined:
        return "**required**"
    if value is None or value in ((), frozenset(), "") or isinstance(value, SecretStr):
        return "–"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"settings.md": settings_page, "errors.md": errors_page}


def main() -> int:
    stale = [name for name, page in PAGES.items() if not _same(FOLDER / name, page())]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/{name} is not what the code says: run make docs")
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(PAGES[name]())
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
