"""The engine of an operator's day: people work all day long, one event after the other happens, and what they saw, the
log and the metrics said of each becomes a row of a table.

A job counts for each event that happened while it waited or ran. Silence is the longest that a window was sent nothing
while its job was not waiting in the queue, the time of a connection that is opened again included. An event is over
when its cause is gone; recovered is when after that a POST has been accepted, its watcher told, and a download moved.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from system.cluster import kube
from system.cluster.around import query
from system.cluster.client import Client, Watcher
from system.cluster.load import Job, Load, accepted, address, load
from system.cluster.redis_servers import Redis
from system.cluster.release import SELECTOR, SERVICES, Release, ready
from system.cluster.settings import NAMESPACE

RECOVERY_SECONDS = 120
"""after which the next event follows all the same"""
LOG_LEVELS = {"warning", "error", "critical"}
METRICS = {
    "redis_up 0": "min(min_over_time(vidferry_redis_up[{}s])) < 1",
    "gateway_redis_connected 0": "min(min_over_time(vidferry_gateway_redis_connected[{}s])) < 1",
    "bucket_up 0": "min(min_over_time(vidferry_worker_bucket_up[{}s])) < 1",
    "jobs_refused": "sum(increase(vidferry_jobs_refused_total[{}s])) > 0",
    "worker_deaths": "sum(increase(vidferry_worker_deaths_total[{}s])) > 0",
}
"""what is told where it gives anything"""


@dataclass(frozen=True)
class Event:
    name: str
    happen: "Callable[[Day], None]"
    """returns when the cause is gone"""
    silence: float = 5.0
    """seconds; at most, as recovered"""
    recovered: float = 5.0
    told: Sequence[str] = ()
    """words that must be in what was told"""
    away: bool = False
    """whether nothing can be told in its course, so that this much silence is allowed as well"""
    costs: str = ""
    """an error's code that running jobs may end with, or UNKNOWN"""


UNKNOWN, NO_ONE_END = "unknown", "without one end"
"""what jobs are that Redis has forgotten, and those that windows saw end differently, twice or never"""


@dataclass(frozen=True)
class Setting:
    """Whose day it is."""

    name: str
    replicas: int
    redis: Redis
    values: Mapping[str, Any]


@dataclass
class Happened:
    event: Event
    begun: float
    """by the monotonic clock, as all times"""
    over: float = 0.0
    recovered: float = 0.0
    end: float = 0.0
    """when everybody had heard again; what happens later is the next event's"""
    running: int = 0
    queued: int = 0
    jobs: list[Job] = field(default_factory=list)
    clients: Counter[str] = field(default_factory=Counter)
    """what they were answered and told"""
    log: Counter[str] = field(default_factory=Counter)
    metrics: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """what the event has seen for itself"""
    faults: list[str] = field(default_factory=list)

    def within(self, at: float) -> bool:
        return self.begun <= at < self.end

    @contextmanager
    def noting_faults(self) -> Iterator[None]:
        """So that the day goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it stands in the row
            self.faults.append(f"{type(error).__name__}: {error}")

    @property
    def told(self) -> str:
        parts = {"": Counter(self.seen), "clients": self.clients, "log": self.log, "metrics": Counter(self.metrics)}
        return "; ".join(f"{who}: {counted(what)}".removeprefix(": ") for who, what in parts.items() if what) or "–"


@dataclass
class Day:
    setting: Setting
    release: Release
    client: Client
    people: Load = field(default_factory=Load)
    happened: list[Happened] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    """what the event that happens now has seen for itself"""

    @property
    def redis(self) -> Redis:
        return self.setting.redis

    @contextmanager
    def people_work(self) -> Iterator[None]:
        with load(self.client) as self.people:
            yield
        for one in self.happened:
            self._look_back(one)

    def play(self, event: Event) -> None:
        """An event that fails is a row as well, and the day goes on."""
        one = Happened(event, time.monotonic())
        states = Counter(state(job, one.begun) for job in self.people.jobs)
        one.running, one.queued = states["processing"], states["queued"]
        self.noted = one.seen
        with one.noting_faults():
            event.happen(self)
        one.over = time.monotonic()
        with one.noting_faults():
            self._until_recovered(one)
        one.recovered = time.monotonic() - one.over
        with one.noting_faults():
            for name in SERVICES:
                ready(name)
            self._until_everybody_hears(one)
        one.end = time.monotonic()
        with one.noting_faults():
            until_scraped(time.time())
            one.log.update(logged(time.monotonic() - one.begun))
            one.metrics += measured(time.monotonic() - one.begun)
        self.happened.append(one)
        print(f"{event.name}: took {one.over - one.begun:.1f} s, recovered after {one.recovered:.1f} s, everybody has "
              f"heard after {one.end - one.over:.1f} s {'; '.join(one.faults)}", flush=True)  # fmt: skip

    def _until_recovered(self, one: Happened) -> None:
        give_up = threading.Event()
        timer = threading.Timer(RECOVERY_SECONDS, give_up.set)
        timer.start()
        try:
            job = accepted(self.client, address(), self.people.refusals.append, give_up)
            assert job is not None, f"no job was accepted for {RECOVERY_SECONDS} s"
            asyncio.run(self.client.first_message(job.document, RECOVERY_SECONDS))
            while not any(moves_since(job, one.over) for job in list(self.people.jobs)):
                assert not give_up.wait(0.02), f"no download moved for {RECOVERY_SECONDS} s"
        finally:
            timer.cancel()
        self.client.request("DELETE", f"/api/jobs/{job.document['job_id']}")

    def _until_everybody_hears(self, one: Happened) -> None:
        """Returns when each job that had begun goes on, and each of its windows knows."""
        kube.until_nothing(
            lambda: [job.document["job_id"] for job in list(self.people.jobs) if not hears(job, one.over)]
        )

    def _look_back(self, one: Happened) -> None:
        """At the day's end, when it is known what became of each job."""
        one.jobs = [job for job in self.people.jobs if job.accepted < one.end and job.left > one.begun]
        one.clients.update(refusal.why for refusal in self.people.refusals if one.within(refusal.at))
        for job in one.jobs:
            for window in job.windows:
                one.clients.update(f"socket {cut.cause}" for cut in window.broken if one.within(cut.at))
            heard = job.windows[0]
            told = [data for at, data in zip(heard.heard, heard.data, strict=True) if one.within(at)]
            one.clients.update({f"“{data['message']}”" for data in told if told_apart(data)})


def state(job: Job, at: float) -> str:
    """Its status as its first window knew it; empty where it was not there."""
    if not job.accepted <= at < job.left:
        return ""
    window = job.windows[0]
    known = [data["status"] for when, data in zip(window.heard, window.data, strict=False) if when <= at]
    return known[-1] if known else "queued"


def moves_since(job: Job, at: float) -> bool:
    """Whether it was told of a step or bytes later than that."""
    window = job.windows[0]
    return job.left > at and bool(window.heard) and window.heard[-1] > at and window.data[-1]["status"] == "processing"


def hears(job: Job, since: float) -> bool:
    """Whether each window was told since then that the job goes on, or has not been told yet that it has begun."""
    return job.left < float("inf") or all(
        window.data[-1]["status"] == "processing" and window.heard[-1] > since
        for window in job.windows
        if any(data["status"] != "queued" for data in window.data)
    )


def told_apart(data: Mapping[str, Any]) -> bool:
    """Whether a message is none of a download that goes well."""
    words = ("again", "anew", "restart", "lost", "bucket", "stopped", "failed", "can't", "try")
    return data.get("error") is not None or any(word in data["message"].lower() for word in words)


def silences(window: Watcher, begin: float, end: float) -> Iterator[float]:
    """The gaps between two messages that an interval meets, but for those spent in the queue."""
    heard, data = window.heard, window.data
    for index in range(1, len(heard)):
        if data[index - 1]["status"] != "queued" and heard[index] > begin and heard[index - 1] < end:
            yield heard[index] - heard[index - 1]


def logged(seconds: float) -> Counter[str]:
    """Warnings and errors of the pods that are there."""
    lines = kube.kubectl(
        "-n", NAMESPACE, "logs", "-l", SELECTOR, f"--since={seconds + 1:.0f}s",
        "--tail=-1", "--ignore-errors", "--max-log-requests=50",
    ).splitlines()  # fmt: skip
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return Counter(f"{each['service']}: {brief(each['message'])}" for each in entries if each["level"] in LOG_LEVELS)


def brief(message: str) -> str:
    """What it says, but for the particulars."""
    return message.splitlines()[0].partition(": ")[0]


def until_scraped(moment: float) -> None:
    """Returns when Prometheus has asked every pod since then, by the clock of all."""
    oldest = "min(timestamp(up))"
    kube.until_nothing(lambda: [each for each in query(oldest) if float(each["value"][1]) < moment])


def measured(seconds: float) -> list[str]:
    window = f"{max(5, seconds):.0f}"
    return [name for name, expression in METRICS.items() if query(expression.format(window))]


def silence(one: Happened) -> float:
    gaps = (gap for job in one.jobs for window in job.windows for gap in silences(window, one.begun, one.end))
    return max(gaps, default=0.0)


def wrong(one: Happened) -> list[str]:
    """In what an event was not as it should be."""
    event, quiet = one.event, silence(one)
    silent = event.silence + (one.over - one.begun if event.away else 0)
    lost = Counter(map(outcome, (job for job in one.jobs if one.within(job.left))))
    del lost["completed"], lost[event.costs]
    return [
        *one.faults,
        *(f"jobs {what}: {number}" for what, number in lost.items()),
        *(f"not told: {words}" for words in event.told if words not in one.told),
        *([f"{quiet:.1f} s of silence"] if quiet > silent else []),
        *([f"recovered after {one.recovered:.1f} s"] if one.recovered > event.recovered else []),
    ]


def outcome(job: Job) -> str:
    """What all windows know it ended with: a status, an error's code, or UNKNOWN, or NO_ONE_END."""
    if job.unknown:
        return UNKNOWN
    if not job.ended:
        return NO_ONE_END
    ends = {(window.data[-1].get("error") or {}).get("code") or window.data[-1]["status"] for window in job.windows}
    return str(ends.pop()) if len(ends) == 1 else NO_ONE_END


def counted(what: Counter[str]) -> str:
    return ", ".join(f"{each} ×{number}" if number > 1 else each for each, number in sorted(what.items()))


HEAD = ["event", "jobs", "ended", "told", "longest silence, s", "recovered after, s", "took, s"]


def table(happened: Sequence[Happened]) -> str:
    """As docs/cluster.md shows it."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [HEAD, ["---"] * len(HEAD), *map(row, happened)])


def row(one: Happened) -> list[str]:
    others = Counter(found for job in one.jobs if one.within(job.left) and (found := outcome(job)) != "completed")
    ended = sum(job.ended for job in one.jobs)
    return [
        one.event.name,
        f"{len(one.jobs)} ({one.running} ran, {one.queued} waited)",
        ", ".join([str(ended), *(f"{number} of them {found}" for found, number in others.items())]),
        one.told,
        f"{silence(one):.1f}",
        f"{one.recovered:.1f}",
        f"{one.over - one.begun:.1f}",
    ]
