"""Children that run attacks.py instead of yt-dlp: the real zygote and the real sandbox around hostile code."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.children import next_event
from support.tree import TESTS
from vidferry_worker.children.child import Child
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.zygote import SandboxMissing, Zygote
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy

PYTHON = """#!{python} -I
import runpy, sys
sys.path.append({tests!r})
sys.argv = sys.argv[3:]
from vidferry_worker.child import download, warm_up
from vidferry_worker.child.patches import embed_search
from support import attacks
download.run_download = attacks.run
warm_up.warm_up_extractors = embed_search.install = lambda ydl: None  # no attack extracts a page
if {without!r}:
    from vidferry_worker.child.sandbox import kernel, seccomp
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install_filter(seccomp.build_refusing_filter(kernel.machine_name(), [{without!r}]))
if {landlock_abi!r}:
    from vidferry_worker.child.sandbox import landlock
    landlock.abi_version = lambda: {landlock_abi!r}
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@asynccontextmanager
async def hostile_zygote(
    policy: EgressPolicy, confinement: Confinement, home: Path, without: str = "", landlock_abi: int = 0
) -> AsyncIterator[Zygote]:
    """One whose children are hostile; on a kernel that lacks a system call, or has an older Landlock."""
    python = home / "python"
    python.write_text(
        PYTHON.format(python=sys.executable, tests=str(TESTS), without=without, landlock_abi=landlock_abi)
    )
    python.chmod(0o755)
    zygote = Zygote(Broker(policy), confinement, home / "work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        try:
            await zygote.start()
        except SandboxMissing:
            await zygote.close()
            raise
    try:
        yield zygote
    finally:
        await zygote.close()


@asynccontextmanager
async def attacking(zygote: Zygote, folder: Path, attack: str, target: dict[str, Any]) -> AsyncIterator[Child]:
    """A child that has begun its attack, and is ended afterwards."""
    await asyncio.to_thread(folder.mkdir)
    child = await zygote.fork(folder)
    try:
        child._send({"attack": attack, "target": target})
        yield child
    finally:
        await child.close()


async def outcome(child: Child) -> dict[str, Any]:
    """What it tells of its attack."""
    event = await asyncio.wait_for(next_event(child), 20)
    if event["event"] == "failed" and str(event["detail"]).startswith("{"):
        told: dict[str, Any] = json.loads(event["detail"])
        return told
    return event
