"""An operator's day, once with one pod of each service and the chart's Redis, once with three and Sentinel: all that
happens is right, or the table says what is not."""

from contextlib import nullcontext

import pytest

from bench.report import keep
from support.tree import DOCS
from system.cluster import kube
from system.cluster.conftest import Standing, keep_logs
from system.cluster.day import Day, Setting, table, wrong
from system.cluster.events import LEASE, of_a_day
from system.cluster.redis_servers import BUNDLED, REPLICATED, WITH_SENTINEL, replicated
from system.cluster.release import SERVICES, Release
from system.cluster.settings import NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
SETTINGS = [
    Setting("day of one", 1, BUNDLED, {"worker": {"slots": 5}}),
    Setting("day of three", 3, REPLICATED, {**WITH_SENTINEL, "worker": {"slots": 2}}),
]
DOCUMENT = DOCS / "cluster.md"
COMMON = {
    "log": {"level": "info"},
    "worker": {"settings": {"VIDFERRY_LEASE": LEASE}},
    "gateway": {"settings": {"VIDFERRY_GATEWAY_MAX_SOCKETS": 1000}},
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_an_operators_day(standing: Standing, setting: Setting) -> None:
    replicas = {service: {"replicas": setting.replicas} for service in SERVICES}
    sentinel = setting.redis is REPLICATED
    with replicated() if sentinel else nullcontext():
        before = kube.everything(NAMESPACE)
        day = Day(setting, Release(standing.around, COMMON, replicas, setting.values), standing.client)
        with day.people_work():
            for event in of_a_day(sentinel):
                day.play(event)
        keep_logs()
        day.release.uninstall()
        kube.until_nothing(lambda: kube.everything(NAMESPACE) - before)
    found = {one.event.name: faults for one in day.happened if (faults := wrong(one))}
    report = f"{table(day.happened)}\n" + "".join(
        f"\nNot right, {name}: {'; '.join(each)}\n" for name, each in found.items()
    )
    print(f"\n\n{setting.name}\n\n{report}\n")
    keep(setting.name, report, DOCUMENT)
    assert not day.people.faults
    assert not found
