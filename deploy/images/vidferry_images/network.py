"""What a step of a build needs to reach the package index from here. It is mounted for the step, and in no layer."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INSECURE_HOST|NATIVE_TLS)"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|DEFAULT_TIMEOUT)"
    r"|(HTTPS?|ALL|NO)_PROXY",
    re.IGNORECASE,
)
UV_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def secrets(folder: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """The build's secrets, by id, as files in that folder."""
    found = {}
    if assignments := _variables(environment):
        found["network"] = folder / "network"
        found["network"].write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in assignments.items()))
        found["network"].chmod(0o600)
    for name in CERTIFICATES:
        if (path := environment.get(name)) and Path(path).is_file():
            found["ca"] = Path(path)
            break
    return found


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    chosen = {name: value for name, value in environment.items() if VARIABLES.fullmatch(name) and value}
    index = chosen.get("PIP_INDEX_URL") or _configured_index(environment)
    if index:
        chosen["PIP_INDEX_URL"] = index
        if not any(name in chosen for name in UV_INDEX):  # uv doesn't read what pip is told
            chosen["UV_DEFAULT_INDEX"] = index
    return dict(sorted(chosen.items()))


def _configured_index(environment: Mapping[str, str]) -> str:
    """The index in pip's own files; empty where there is none."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "get", "global.index-url"],
        env=dict(environment),
        check=False,
        capture_output=True,
        text=True,
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""
