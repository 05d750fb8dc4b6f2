"""What was done to a release while people worked, and what they saw of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cluster import load
from cluster.client import Client

SILENT_SECONDS = 5.0
"""No socket may be sent nothing for longer. While bytes move, progress is promised every 0.5 s; the rest is for where
none move, at a download's begin and end, and for coming back after a gateway has closed the socket."""


@dataclass(frozen=True)
class Event:
    name: str
    jobs: int
    ended: int
    """completed, and all who watched them saw it"""
    sockets: int
    silence: float
    """the longest that a socket was sent nothing, in seconds"""
    silent_at: str
    broken: Counter[str]
    """how many connections were opened again, by why"""


@contextmanager
def disturbed(client: Client, name: str, events: list[Event]) -> Iterator[None]:
    """Whatever the body does while people work: each of their jobs completes, and each window shows it all the time."""
    with load.load(client) as people:
        yield
    broken = Counter(broken.cause for socket in people.sockets for broken in socket.broken)
    event = Event(name, people.jobs, people.ended, len(people.sockets), people.silence, people.silent_at, broken)
    events.append(event)
    print(told(event))
    assert not people.faults, people.faults
    assert people.ended == people.jobs, [socket.data[-1:] for socket in people.sockets if not load.completed(socket)]
    assert people.silence < SILENT_SECONDS, people.silent_at


def told(event: Event) -> str:
    """A line for whoever looks on, and one for each cause of a cut."""
    first = (
        f"{event.name}: {event.jobs} jobs, {event.ended} ended, {event.sockets} sockets, longest silence "
        f"{event.silence:.1f} s ({event.silent_at}), {event.broken.total()} connections opened again"
    )
    return "\n".join([first, *(f"  {number} × {cause}" for cause, number in event.broken.items())])


def table(events: Sequence[Event]) -> str:
    """As docs/cluster.md shows it."""
    head = ["event", "jobs", "ended", "sockets", "opened again", "longest silence of a socket, s"]
    lines = [head, ["---"] * len(head), *map(row, events)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(event: Event) -> list[str]:
    counts = (event.jobs, event.ended, event.sockets, event.broken.total())
    return [event.name, *map(str, counts), f"{event.silence:.1f}"]
