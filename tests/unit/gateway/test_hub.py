"""The routing core alone: a Redis of a few lines stands on the other side, so that any interleaving can be had."""

import json
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from support.tickets import signer
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_gateway.frames import frame_payload
from vidferry_gateway.hub import Hub
from vidferry_gateway.link_tickets import LinkTickets
from vidferry_gateway.message import Message, MessageKind, OutgoingMessage, parse_message
from vidferry_gateway.metrics import GatewayMetrics

JOB = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"


def status(
    seq: int, *, epoch: str = "0000000a", end: bool = False, stage: str = "downloading", step: bool = False
) -> bytes:
    data = {"seq": seq, "status": "completed" if end else "processing", "stage": "done" if end else stage}
    message = {"type": "status", "step": step, "cursor": f"{epoch}-{seq}"}
    return json.dumps({**message, "data": {**data, "progress": seq / 7, "message": ""}}).encode()


@dataclass(eq=False)
class Client:
    job_id: str = JOB
    after: Cursor | None = None
    owner: str | None = None
    got: list[bytes] = field(default_factory=list)
    kinds: list[MessageKind] = field(default_factory=list)
    at_once: list[int] = field(default_factory=list)
    code: CloseCode | None = None

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:
        assert self.code is None, "nothing is sent after the end"
        self.got.append(frame_payload(message.frame))
        self.kinds.append(kind)

    def deliver_now(self, message: Message, kind: MessageKind) -> int:
        self.deliver(message, kind)
        self.at_once.append(message.seq)
        return 1

    def end(self, code: CloseCode) -> None:
        assert self.code is None, "ended once"
        self.code = code

    def seqs(self) -> list[int]:
        return [message.seq for message in map(parse_message, self.got) if message]


def hub() -> Hub:
    return Hub(lambda: None, GatewayMetrics(Registry(Service.GATEWAY)))


def joined(core: Hub, client: Client, state: bytes, *history: bytes) -> Client:
    core.join(client)
    core.take_commands(10)
    core.answer_read(state, history)
    return client


def published(core: Hub, *messages: bytes) -> None:
    """All in one read of the connection."""
    for raw in messages:
        core.receive_message(JOB.encode(), raw)
    core.deliver_pending()


def test_a_join_subscribes_and_reads_once() -> None:
    core = hub()
    core.join(Client())
    core.join(Client())
    work = core.take_commands(10)
    assert (work.subscribe, work.read, work.unsubscribe) == ([JOB], [JOB], [])
    assert not core.has_commands


def test_a_second_watcher_reads_and_does_not_subscribe_again() -> None:
    core = hub()
    joined(core, Client(), status(1))
    core.join(Client())
    work = core.take_commands(10)
    assert (work.subscribe, work.read) == ([], [JOB])


def test_history_then_state_then_what_follows() -> None:
    core = hub()
    client = joined(core, Client(), status(3), status(1), status(2))
    published(core, status(4))
    assert client.seqs() == [1, 2, 3, 4]


def test_a_state_that_is_the_last_step_is_sent_once() -> None:
    assert joined(hub(), Client(), status(2), status(1), status(2)).seqs() == [1, 2]


def test_what_came_before_the_answer_is_covered_by_it() -> None:
    core, client = hub(), Client()
    core.join(client)
    core.take_commands(10)
    published(core, status(1), status(2))
    assert client.got == []
    core.answer_read(status(2), [status(1)])
    published(core, status(3))
    assert client.seqs() == [1, 2, 3]


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (Cursor("0000000a", 1), [2, 3]),
        (Cursor("0000000a", 2), [3]),
        (Cursor("0000000a", 3), [3]),
        (Cursor("0000000a", 9), [3]),
        (Cursor("0000000b", 2), [1, 2, 3]),
    ],
)
def test_resume(cursor: Cursor, expected: list[int]) -> None:
    assert joined(hub(), Client(after=cursor), status(3), status(1), status(2)).seqs() == expected


def test_the_end_closes_and_unsubscribes() -> None:
    core = hub()
    client = joined(core, Client(), status(1))
    published(core, status(2, end=True))
    assert (client.seqs(), client.code) == ([1, 2], CloseCode.ENDED)
    assert core.take_commands(10).unsubscribe == [JOB]


def test_a_job_that_has_ended_is_shown_and_closed() -> None:
    client = joined(hub(), Client(), status(2, end=True), status(1), status(2, end=True))
    assert (client.seqs(), client.code) == ([1, 2], CloseCode.ENDED)


def test_the_end_between_two_reads_reaches_those_who_joined_and_those_who_wait() -> None:
    core = hub()
    early = joined(core, Client(), status(1))
    late = Client()
    core.join(late)
    core.take_commands(10)
    published(core, status(2, end=True))
    assert (early.seqs(), early.code, late.got) == ([1, 2], CloseCode.ENDED, [])
    core.answer_read(status(2, end=True), [])
    assert (late.seqs(), late.code) == ([2], CloseCode.ENDED)


def test_no_such_job() -> None:
    core, client = hub(), Client()
    core.join(client)
    core.take_commands(10)
    core.answer_read(None, [])
    assert client.code == CloseCode.NO_SUCH_JOB
    assert core.take_commands(10).unsubscribe == [JOB]


def test_no_such_job_is_told_once_that_is_believed() -> None:
    asked = []
    core = Hub(lambda: None, GatewayMetrics(Registry(Service.GATEWAY)), verify_absence=lambda: asked.append(1))
    early, late = Client(), Client()
    core.join(early)
    core.take_commands(10)
    core.answer_read(None, [])
    before = core.unverified_topics()
    core.join(late)
    assert (asked, early.code) == ([1], None)
    core.confirm_absence(before)
    assert (early.code, late.code) == (CloseCode.NO_SUCH_JOB, CloseCode.NO_SUCH_JOB)
    assert core.take_commands(10).unsubscribe == [JOB]


def test_what_another_server_knows_was_doubted_rightly() -> None:
    core = Hub(lambda: None, GatewayMetrics(Registry(Service.GATEWAY)), verify_absence=lambda: None)
    client = Client()
    core.join(client)
    core.take_commands(10)
    core.answer_read(None, [])
    before = core.unverified_topics()
    core.connection_lost()
    assert core.take_commands(10).read == [JOB]
    core.confirm_absence(before)
    core.answer_read(status(1), [])
    assert (client.seqs(), client.code) == ([1], None)


def test_the_last_watcher_unsubscribes_and_the_next_one_keeps_what_was_not_yet_dropped() -> None:
    core = hub()
    first = joined(core, Client(), status(1))
    core.leave(first)
    core.join(Client())
    work = core.take_commands(10)
    assert (work.unsubscribe, work.subscribe, work.read) == ([], [], [JOB])


def test_an_answer_to_those_who_left_is_nobody_elses() -> None:
    """Between the two reads nothing was subscribed: the first one's answer may not count for the second watcher."""
    core, first, second = hub(), Client(), Client()
    core.join(first)
    core.take_commands(10)
    core.leave(first)
    assert core.take_commands(10).unsubscribe == [JOB]
    core.join(second)
    core.take_commands(10)
    core.answer_read(status(1), [])
    assert (first.got, second.got) == ([], [])
    core.answer_read(status(5), [])
    assert second.seqs() == [5]


@pytest.mark.parametrize(
    "raw", [b"hello", b'{"a":1}', b"[1]", b"5", b"", b'{"type":"status","data":{"status":"completed"}}']
)
def test_foreign_messages_pass_unchanged(raw: bytes) -> None:
    core = hub()
    client = joined(core, Client(), status(1))
    published(core, raw)
    assert (client.got[-1], client.kinds[-1], client.code) == (raw, MessageKind.FOREIGN, None)


def test_a_foreign_message_before_the_answer_follows_the_state() -> None:
    core, client = hub(), Client()
    core.join(client)
    core.take_commands(10)
    published(core, b"hello")
    core.answer_read(status(1), [])
    assert client.got == [status(1), b"hello"]


def test_a_foreign_message_to_a_job_that_does_not_exist_goes_nowhere() -> None:
    core, client = hub(), Client()
    core.join(client)
    core.take_commands(10)
    published(core, b"hello")
    core.answer_read(None, [])
    assert client.got == []


def test_steps_are_told_from_progress() -> None:
    core = hub()
    client = joined(core, Client(), status(1))
    for message in (
        status(2), status(3, stage="merging"), status(4, stage="merging", step=True), status(5, end=True),
    ):  # fmt: skip
        published(core, message)
    assert client.kinds[1:] == [MessageKind.PROGRESS, MessageKind.STEP, MessageKind.STEP, MessageKind.STEP]


def test_a_message_that_comes_alone_is_sent_at_once() -> None:
    core = hub()
    client, other = joined(core, Client(), status(1)), joined(core, Client(), status(1))
    published(core, status(2))
    assert (client.at_once, other.at_once) == ([2], [2])


@pytest.mark.parametrize(
    ("messages", "got"),
    [
        ([status(2), status(3)], [status(2), status(3)]),
        ([status(2), b"hello"], [status(2), b"hello"]),
        ([status(2), status(3, end=True)], [status(2), status(3, end=True)]),
    ],
)
def test_what_leaves_in_one_write_is_owed_in_its_order(messages: list[bytes], got: list[bytes]) -> None:
    core = hub()
    client = joined(core, Client(), status(1))
    published(core, *messages)
    assert client.got[1:] == got
    assert client.at_once == [message.seq for message in [parse_message(got[-1])] if message and not message.terminal]


def test_what_came_before_an_answer_in_the_same_read_is_for_those_who_had_joined() -> None:
    core = hub()
    first, second = joined(core, Client(), status(1)), Client()
    core.join(second)
    core.take_commands(10)
    core.receive_message(JOB.encode(), status(2))
    core.answer_read(status(3), [])
    core.deliver_pending()
    assert (first.seqs(), second.seqs()) == ([1, 2, 3], [3])
    assert (first.at_once, second.at_once) == ([], [])


def after_an_outage(sent: bytes, state: bytes, *history: bytes) -> Client:
    core = hub()
    client = joined(core, Client(), sent)
    core.connection_lost()
    work = core.take_commands(10)
    assert (work.subscribe, work.read) == ([JOB], [JOB])
    client.got.clear()
    core.answer_read(state, history)
    return client


def test_after_an_outage_nothing_new_is_nothing_sent() -> None:
    assert after_an_outage(status(4), status(4), status(1), status(4)).got == []


def test_after_an_outage_what_was_missed_is_sent() -> None:
    assert after_an_outage(status(2), status(5), status(1), status(3), status(4)).seqs() == [3, 4, 5]


def test_after_an_outage_the_end_closes() -> None:
    client = after_an_outage(status(2), status(3, end=True), status(3, end=True))
    assert (client.seqs(), client.code) == ([3], CloseCode.ENDED)


def test_a_record_that_went_back_counts() -> None:
    client = after_an_outage(status(9), status(7), status(3))
    assert client.seqs() == [3, 7]


def test_a_record_that_went_back_and_came_to_the_same_seq_counts() -> None:
    client = after_an_outage(status(9), status(9, stage="merging"))
    assert client.got == [status(9, stage="merging")]


def test_after_an_outage_messages_count_from_the_record() -> None:
    core = hub()
    client = joined(core, Client(), status(9))
    core.connection_lost()
    core.take_commands(10)
    core.answer_read(status(7), [])
    published(core, status(8))
    assert client.seqs() == [9, 7, 8]


def test_who_waited_when_the_connection_was_lost_is_served_by_the_next() -> None:
    core, client = hub(), Client(after=Cursor("0000000a", 1))
    core.join(client)
    core.take_commands(10)
    core.connection_lost()
    assert core.take_commands(10).read == [JOB]
    core.answer_read(status(2), [status(1), status(2)])
    assert client.seqs() == [2]


def test_no_more_reads_than_there_is_room_for() -> None:
    core = hub()
    for number in range(5):
        core.join(Client(job_id=f"job {number}"))
    assert len(core.take_commands(2).read) == 2
    assert core.has_commands
    assert len(core.take_commands(10).read) == 3
    assert core.reads_in_flight == 5


def test_after_an_outage_no_message_overtakes_the_record() -> None:
    core = hub()
    client = joined(core, Client(), status(1))
    core.connection_lost()
    core.take_commands(10)
    published(core, status(4))
    assert client.seqs() == [1]
    core.answer_read(status(4), [status(2), status(3)])
    assert client.seqs() == [1, 2, 3, 4]


class Redis:
    """One connection to a Redis with several jobs, slow in both directions; a failover may lose its newest writes."""

    def __init__(self, core: Hub, jobs: list[str], rng: random.Random) -> None:
        self.core, self.rng = core, rng
        self.records: dict[str, list[tuple[bytes, bool]]] = {job: [(status(1), True)] for job in jobs}
        self.subscribed: set[str] = set()
        self.inbox: deque[tuple[str, str]] = deque()
        self.outbox: deque[tuple[str, bytes | None, list[bytes]]] = deque()
        self.up = True

    def ended(self, job: str) -> bool:
        return b"completed" in self.records[job][-1][0]

    def publish(self, job: str, *, end: bool = False) -> None:
        if self.ended(job):
            return
        step = end or self.rng.random() < 0.4
        message = status(len(self.records[job]) + 1, end=end, stage=f"stage{self.rng.randrange(3)}")
        self.records[job].append((message, step))
        if job in self.subscribed:
            self.outbox.append((job, message, []))

    def send(self) -> None:
        if self.up:
            work = self.core.take_commands(self.rng.randrange(1, 4))
            self.inbox += [("unsubscribe", job) for job in work.unsubscribe]
            self.inbox += [("subscribe", job) for job in work.subscribe]
            self.inbox += [("read", job) for job in work.read]

    def execute(self) -> None:
        if self.up and self.inbox:
            command, job = self.inbox.popleft()
            if command == "read":
                record = self.records.get(job)
                self.outbox.append(("", record[-1][0] if record else None, [raw for raw, step in record or () if step]))
            elif command == "subscribe":
                self.subscribed.add(job)
            else:
                self.subscribed.discard(job)

    def hear(self) -> None:
        if self.up and self.outbox:
            job, raw, history = self.outbox.popleft()
            if job:
                assert raw is not None
                self.core.receive_message(job.encode(), raw)
            else:
                self.core.answer_read(raw, history)
            if self.rng.random() < 0.5:  # else the same read brings more
                self.core.deliver_pending()

    def cut(self) -> None:
        if self.up:
            self.up = False
            self.core.deliver_pending()
            self.inbox.clear()
            self.outbox.clear()
            self.subscribed.clear()
            self.core.connection_lost()

    def up_again(self) -> None:
        self.up = True

    def settle(self) -> None:
        self.up_again()
        for _ in range(10_000):
            self.send()
            self.execute()
            self.hear()
            self.core.deliver_pending()
            if not self.core.has_commands and not (self.inbox or self.outbox):
                return
        raise AssertionError("does not settle")


class Crowd:
    """Clients that come and go."""

    def __init__(self, core: Hub, rng: random.Random, jobs: list[str]) -> None:
        self.core, self.rng, self.jobs = core, rng, jobs
        self.present: list[Client] = []
        self.left: list[Client] = []

    def come(self) -> None:
        client = Client(job_id=self.rng.choice([*self.jobs, "unknown"]))
        self.present.append(client)
        self.core.join(client)

    def go(self) -> None:
        if self.present:
            client = self.present.pop(self.rng.randrange(len(self.present)))
            self.left.append(client)
            self.core.leave(client)


@pytest.mark.parametrize("seed", range(300))
def test_any_interleaving_shows_every_step_once_and_the_end(seed: int) -> None:
    rng = random.Random(seed)
    core = hub()
    jobs = [f"job {number}" for number in range(3)]
    redis, crowd = Redis(core, jobs, rng), Crowd(core, rng, jobs)

    def publish() -> None:
        redis.publish(rng.choice(jobs), end=rng.random() < 0.05)

    moves = [crowd.come, crowd.go, publish, publish, redis.send, redis.send, redis.execute, redis.hear, redis.up_again]
    for _ in range(rng.randrange(20, 200)):
        (redis.cut if rng.random() < 0.03 else rng.choice(moves))()
    redis.settle()
    for job in jobs:
        redis.publish(job, end=True)
    redis.settle()

    for client in crowd.present:
        if client.job_id == "unknown":
            assert (client.code, client.got) == (CloseCode.NO_SUCH_JOB, [])
            continue
        record = redis.records[client.job_id]
        assert client.code == CloseCode.ENDED
        assert {raw for raw, step in record if step} <= set(client.got), "every step"
        assert client.got[-1] == record[-1][0], "the end"
    for client in (*crowd.present, *crowd.left):
        assert client.seqs() == sorted(set(client.seqs())), "strictly rising"
    assert redis.subscribed == set(), "nothing stays subscribed when nobody watches"


def test_a_job_of_another_owner_is_unknown() -> None:
    core = hub()
    mine, theirs, by_ticket = Client(owner="team-a"), Client(owner="team-b"), Client()
    for client in (mine, theirs, by_ticket):
        core.join(client)
    core.take_commands(10)
    core.answer_read(status(2), [status(1)], b"team-a")
    assert (mine.seqs(), theirs.seqs(), by_ticket.seqs()) == ([1, 2], [], [1, 2])
    assert (mine.code, theirs.code, by_ticket.code) == (None, CloseCode.NO_SUCH_JOB, None)
    published(core, status(3))
    assert (mine.seqs()[2:], theirs.got, by_ticket.seqs()[2:]) == ([3], [], [3])
    later = Client(owner="team-b")
    core.join(later)
    core.take_commands(10)
    published(core, status(4))
    core.answer_read(status(4), [], b"team-a")
    assert (later.got, later.code, mine.seqs()[-1]) == ([], CloseCode.NO_SUCH_JOB, 4)


@pytest.mark.parametrize("owner", [b"", b"team-a", b"team-", b"TEAM-B"])
@pytest.mark.parametrize("end", [True, False])
def test_the_last_stranger_leaves_no_topic(owner: bytes, end: bool) -> None:
    """Also of a record without an owner, as an older release or open access makes it."""
    core, stranger = hub(), Client(owner="team-b")
    core.join(stranger)
    core.take_commands(10)
    core.receive_message(JOB.encode(), b"of another publisher")
    core.answer_read(status(2, end=end), [], owner)
    assert (stranger.got, stranger.code) == ([], CloseCode.NO_SUCH_JOB)
    assert core.take_commands(10).unsubscribe == [JOB]


LINK = f"https://host.example/api/jobs/{JOB}/thumbnail"


def with_link(raw: bytes) -> bytes:
    message = json.loads(raw)
    message["data"]["thumbnail"] = LINK
    return json.dumps(message, separators=(",", ":")).encode()


def test_tickets_are_added_to_all_that_is_delivered_and_compared_without() -> None:
    now = [0.0]
    tickets = LinkTickets(signer(lifetime=80), lambda: now[0])
    core = Hub(lambda: None, GatewayMetrics(Registry(Service.GATEWAY)), link_tickets=tickets)

    def links(client: Client) -> list[str]:
        return [json.loads(got)["data"]["thumbnail"].removeprefix(f"{LINK}?ticket=").partition(".")[0]
                for got in client.got]  # fmt: skip

    client = joined(core, Client(), with_link(status(2)), with_link(status(1)))
    published(core, with_link(status(3)))
    now[0] = 11
    published(core, with_link(status(4)))
    assert links(client) == ["90", "90", "90", "100"]
    now[0] = 25
    core.connection_lost()
    core.take_commands(10)
    core.answer_read(with_link(status(4)), [with_link(status(1))])
    assert links(client)[4:] == [], "its links have other tickets, but it is the same message"
    core.receive_message(JOB.encode(), b'{"thumbnail":"%b"}' % LINK.encode())
    assert client.got[-1] == b'{"thumbnail":"%b"}' % LINK.encode(), "another publisher's is passed on as it is"
