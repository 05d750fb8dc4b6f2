"""The network settings of this machine that a build needs to reach the package index.

They are mounted as secrets while a step runs, and are in no layer.
"""

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


def write_secrets(folder: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Writes the build's secrets into the folder and returns their paths by id."""
    secrets = {}
    if assignments := _network_variables(environment):
        secrets["network"] = folder / "network"
        secrets["network"].write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in assignments.items()))
        secrets["network"].chmod(0o600)
    for name in CERTIFICATES:
        if (path := environment.get(name)) and Path(path).is_file():
            secrets["ca"] = Path(path)
            break
    return secrets


def _network_variables(environment: Mapping[str, str]) -> dict[str, str]:
    variables = {name: value for name, value in environment.items() if VARIABLES.fullmatch(name) and value}
    index = variables.get("PIP_INDEX_URL") or _configured_index(environment)
    if index:
        variables["PIP_INDEX_URL"] = index
        if not any(name in variables for name in UV_INDEX):  # uv does not read pip's settings
            variables["UV_DEFAULT_INDEX"] = index
    return dict(sorted(variables.items()))


def _configured_index(environment: Mapping[str, str]) -> str:
    """The index in pip's configuration files; empty if there is none."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "get", "global.index-url"],
        env=dict(environment),
        check=False,
        capture_output=True,
        text=True,
    )
    return result.stdout.strip() if result.returncode == 0 else ""
