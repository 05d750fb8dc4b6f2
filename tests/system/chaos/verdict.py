"""What must be true afterwards, whatever happened: of jobs, objects, processes and logs."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from support.watchers import TERMINAL
from system.chaos.cast import Cast
from system.chaos.crowd import is_unusable
from system.chaos.watched_job import WatchedJob

MAY_FAIL_WITH = {"worker_lost", "network", "internal", "stalled", "origin_error"}
"""three workers died under it, or it failed more often than it is tried again: said with a code"""


async def of_jobs(jobs: Sequence[WatchedJob]) -> list[str]:
    """Each job has one end, says so once, and its watcher saw it. How probes and batches may fail is told elsewhere."""
    wrong = []
    for job in jobs:
        kind = job.document["kind"]
        if kind == "probe":  # its record is gone after ten minutes
            state = job.ends[0]
        else:
            state = await job.read()
        if state["status"] not in TERMINAL:
            wrong.append(f"{job.id} never ended: {state}")
        if len(job.ends) != 1 or job.ends[0]["seq"] != state["seq"]:
            wrong.append(f"{job.id} ended as {state}, and its watcher saw {job.ends}")
        if kind == "download" and state["status"] == "failed" and not _may_fail(state["error"]["code"], job):
            wrong.append(f"{job.id} failed with {state['error']}")
        wrong += [f"{job.id} went back: {step}" for step in job.shrank]
    return wrong


def _may_fail(code: str, job: WatchedJob) -> bool:
    return code in MAY_FAIL_WITH or (code == "invalid_url" and is_unusable(job.document["url"]))


def of_objects(cast: Cast, jobs: Sequence[WatchedJob]) -> list[str]:
    """Every video that was completed has one object, and there is nothing else."""
    downloads = [job for job in jobs if job.document["kind"] == "download"]
    completed = {job.document["url"] for job in downloads if job.status == "completed"}
    wanted_no_more = {job.document["url"] for job in downloads if job.status == "cancelled"}
    names = [name.rpartition("/") for name in cast.bucket.names()]
    videos = Counter(folder for folder, _, leaf in names if not leaf.startswith("thumbnail"))
    wrong = [f"{count} objects of one video: {folder}" for folder, count in videos.items() if count != 1]
    if not len(completed) <= len(videos) <= len(completed | wanted_no_more):
        wrong.append(f"{len(videos)} videos in the bucket for {len(completed)} completed addresses")
    return wrong + [f"left in the bucket: {each}" for each in cast.bucket.left()]


def of_processes(cast: Cast) -> list[str]:
    """Nothing runs any more that was told of this place."""
    wrong = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                folder = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(cast.home) in folder:
                wrong.append(f"still runs: {(entry / 'cmdline').read_bytes()!r}")
    return wrong


def of_logs(cast: Cast) -> list[str]:
    """No download ran to its end twice."""
    ends = Counter(
        entry["download_id"] for worker in (*cast.gone, *cast.workers) for entry in worker.logged("download ended")
    )
    return [f"download {download_id} ended {count} times" for download_id, count in ends.items() if count > 1]
