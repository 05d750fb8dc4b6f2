"""What the monitor tells of all children together; tests/system/confinement has what it ends."""

from typing import Any

import pytest

from support.children import until
from support.zygotes import LOOPBACK
from vidferry_worker.children.resource_monitor import ChildrenUsage, ResourceLimits, ResourceMonitor
from vidferry_worker.children.resource_usage import ResourceUsage
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker

pytestmark = pytest.mark.anyio
LIMITS = ResourceLimits(10**9, 10**9, 2**30)


def test_usage_is_the_sum_and_cpu_time_only_rises() -> None:
    monitor = ResourceMonitor(Zygote(Broker(LOOPBACK)), LIMITS)
    monitor._sum_up({1: ResourceUsage(disk=1, memory=10, cpu_seconds=2), 2: ResourceUsage(disk=3, cpu_seconds=1)})
    assert monitor.usage == ChildrenUsage(children=2, memory=10, disk=4, cpu_seconds=3)
    monitor._sum_up({1: ResourceUsage(cpu_seconds=5)})
    assert monitor.usage == ChildrenUsage(children=1, cpu_seconds=6)
    monitor._sum_up({1: ResourceUsage(cpu_seconds=4)})
    assert monitor.usage.cpu_seconds == 6
    monitor._sum_up({})
    assert monitor.usage == ChildrenUsage(cpu_seconds=6)
    monitor._sum_up({1: ResourceUsage(cpu_seconds=4)})
    assert monitor.usage.cpu_seconds == 10


async def test_a_child_is_measured(zygote: Zygote, tmp_path: Any) -> None:
    monitor = ResourceMonitor(zygote, LIMITS)
    (tmp_path / "job").mkdir()
    child = await zygote.fork(tmp_path / "job")
    try:
        (tmp_path / "job" / "file").write_bytes(b"x" * 10**5)
        await monitor.check_children([child])
        assert monitor.usage.children == 1
        assert monitor.usage.memory > 0
        assert monitor.usage.disk >= 10**5
    finally:
        await child.close()
    await until(lambda: not zygote.children)
