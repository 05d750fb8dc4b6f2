"""Downloads wheels with pip: the index, mirrors, proxies and certificates are pip's own configuration."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from vidferry_common.text import redact_site_text
from vidferry_worker.bundles.wheel import MAX_WHEEL

SECONDS = 180.0
CPU_SECONDS = 120
MEMORY = 1024**3
MAX_OUTPUT = 64 * 1024
"""bytes that are read of what pip says; the last line is told"""
OOM_SCORE = 1000
"""Out of memory, the kernel ends pip before the worker (proc_pid_oom_score_adj(5)): an index may answer anything."""
_OUTPUT = "pip.txt"
_LIMITED_PIP = f"""
import contextlib, resource, runpy
with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
    file.write("{OOM_SCORE}")
for limit, most in (
    (resource.RLIMIT_FSIZE, {MAX_WHEEL}), (resource.RLIMIT_CPU, {CPU_SECONDS}), (resource.RLIMIT_DATA, {MEMORY}),
    (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(limit, (most, most))
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""a program that limits itself, and then is pip"""
MAX_TOLD = 300
"""characters"""
_PASSED_ON = {
    "PATH", "HOME", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC",
}  # fmt: skip
"""and what begins with PIP_: where pip finds its configuration. Nothing else of the worker's environment, such as its
keys"""
_NOT_PASSED_ON = {"PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_LOG", "PIP_PYTHON"}


class IndexFailed(Exception):
    """pip could not download the wheel. The text is pip's own last line, without credentials of URLs."""


async def download_wheel(requirement: str, folder: Path, *, pre: bool = False) -> Path:
    """The wheel that suits a requirement such as `yt-dlp==2026.10.26`, in a new folder; IndexFailed, OSError.

    pre: pre-releases count too. Nothing of the package is run: only wheels are taken, and no dependencies.
    """
    output = await asyncio.to_thread(_make_folder, folder)
    with output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _LIMITED_PIP, "download", "--only-binary=:all:", "--no-deps", "--no-cache-dir",
            "--disable-pip-version-check", "--no-input", "--progress-bar=off", "--quiet", "--retries=2",
            "--timeout=20", *(["--pre"] if pre else []), "--dest", str(folder), "--", requirement,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=folder,
            env={**_environment(), "TMPDIR": str(folder)},
        )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            code = await process.wait()
    except TimeoutError as error:
        raise IndexFailed(f"no answer within {SECONDS:.0f} seconds") from error
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    wheels, last_line = await asyncio.to_thread(_read_outcome, folder)
    if code or len(wheels) != 1:
        raise IndexFailed(last_line or f"pip ended with {code}")
    return wheels[0]


def _make_folder(folder: Path) -> BinaryIO:
    """Makes the folder, and in it the file for what pip says."""
    folder.mkdir(mode=0o700)
    return (folder / _OUTPUT).open("wb")


def _read_outcome(folder: Path) -> tuple[list[Path], str]:
    """The wheels, and the last line that pip said."""
    with (folder / _OUTPUT).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_OUTPUT))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return list(folder.glob("*.whl")), redact_site_text(lines[-1])[:MAX_TOLD] if lines else ""


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED_ON or (name.startswith("PIP_") and name not in _NOT_PASSED_ON)
    } | {"LANG": "C.UTF-8"}
