"""Whether a newer yt-dlp can be tried beside those that are loaded."""

from pathlib import Path

import pytest

from vidferry_worker.bundles.loop import TRIAL_MEMORY, has_memory_for_trial
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.memory_monitor import MAX_RESERVED

LIMIT = 4 * 1024**3


@pytest.mark.parametrize(("more", "has_memory"), [(0, True), (-1, False)])
def test_beside_two_it_needs_free_memory(more: int, has_memory: bool, tmp_path: Path) -> None:
    used = LIMIT - MAX_RESERVED - TRIAL_MEMORY - more
    for name, content in {"memory.max": LIMIT, "memory.current": used, "memory.stat": ""}.items():
        (tmp_path / name).write_text(f"{content}")
    cgroup = MemoryCgroup([tmp_path])

    assert has_memory_for_trial(True, cgroup) == has_memory
    assert has_memory_for_trial(False, cgroup)
    assert has_memory_for_trial(True, MemoryCgroup([])), "without a limit"
