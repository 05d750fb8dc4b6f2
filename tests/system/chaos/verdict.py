"""What must be true afterwards, whatever happened."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from system.chaos.cast import Cast
from system.chaos.person import TERMINAL, Person

MAY_FAIL_WITH = {"worker_lost", "network", "internal", "stalled", "origin_error"}
"""three workers died under it, or it failed more often than it is tried again: said with a code"""


async def of_people(people: Sequence[Person]) -> list[str]:
    """Each job has one end, says so once, and its watcher saw it."""
    wrong = []
    for person in people:
        state = await person.state()
        if state["status"] not in TERMINAL:
            wrong.append(f"{person.job_id} never ended: {state}")
        if len(person.ends) != 1 or person.ends[0]["seq"] != state["seq"]:
            wrong.append(f"{person.job_id} ended as {state}, and its watcher saw {person.ends}")
        if state["status"] == "failed" and state["error"]["code"] not in MAY_FAIL_WITH:
            wrong.append(f"{person.job_id} failed with {state['error']}")
        wrong += [f"{person.job_id} went back: {step}" for step in person.shrank]
    return wrong


def of_objects(cast: Cast, people: Sequence[Person]) -> list[str]:
    """Every video that was completed has one object, and there is nothing else."""
    completed = {person.url for person in people if person.ends[0]["status"] == "completed"}
    wanted_no_more = {person.url for person in people if person.ends[0]["status"] == "cancelled"}
    files = [file for file in (cast.home / "bucket" / "objects").rglob("*") if file.is_file()]
    videos = Counter(file.parent for file in files if not file.name.startswith("thumbnail"))
    # A folder bucket keeps an object in two files: its bytes, and what is known of it.
    wrong = [f"{count} files of one video: {folder}" for folder, count in videos.items() if count != 2]
    if not len(completed) <= len(videos) <= len(completed | wanted_no_more):
        wrong.append(f"{len(videos)} videos in the bucket for {len(completed)} completed addresses")
    return wrong + [f"unfinished: {file}" for file in (cast.home / "bucket" / "incoming").iterdir()]


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
