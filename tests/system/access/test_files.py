"""Who may read a job's file and thumbnail where access isn't open: who has a ticket for it, or its owner's key."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2
import pytest

from support.access import KeysFile, bearer
from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from support.services import Api
from support.tickets import ACCESS, TICKET_KEY, expired_ticket, owner_ticket, read_ticket, signer
from system.access.conftest import OWNERS
from system.access.misuse import INVALID, Attempt, Target, expired
from vidferry_common.contract.messages import job_link, queued_update
from vidferry_common.contract.result import Result
from vidferry_common.contract.stages import DONE, Status
from vidferry_common.contract.tickets import Purpose
from vidferry_common.store import Ending

PNG = b"\x89PNG\r\n\x1a\n"
NEXT_KEY = "the-next-ticket-key-of-the-tests-1"
WITHOUT_TICKET = {
    "no ticket", "in another parameter", "in a list parameter", "in a cookie", "in headers", "as a bearer token",
    "in the Referer",
}  # fmt: skip
"""misuses that are a request without a ticket, and without a key"""
PARTS = {"file": 307, "thumbnail": 200}

Headers = dict[str, str]


@dataclass
class Completed:
    """A completed job of each of two owners."""

    mine: str
    theirs: str


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=api.url, timeout=20) as opened:
        yield opened


@pytest.fixture(scope="module")
def done(client: httpx2.Client, backstage: Backstage, owners: dict[str, Headers]) -> Completed:
    """They stay: no test changes a job that has ended."""
    return Completed(*[complete(client, backstage, owners[owner]) for owner in OWNERS])


def complete(client: httpx2.Client, backstage: Backstage, key: Headers) -> str:
    """A job with a file and a thumbnail."""
    job_id = str(post(client, f"{VIDEO}/{uuid4()}", headers=key)["job_id"])
    name = f"videos/test/example.org/{uuid4()}"
    stored = backstage.put(f"{name}/1080-any", b"0123456789", filename="A test.mp4")
    picture = backstage.put(f"{name}/thumbnail", PNG, "image/png")
    download_id = backstage.download_id(job_id)
    backstage.store(lambda store: store.downloads.record_thumbnail(download_id, picture.name))
    result = Result("A test", 7, 10, "video/mp4", "A test.mp4", "https://x/", "2026-12-06T21:44:03.000Z",
                    job_link("file"), reused=False)  # fmt: skip
    ended = queued_update().at_step(DONE, status=Status.COMPLETED, result=result, has_thumbnail=True)
    backstage.end(job_id, ended, Ending(stored.name, stored.version))
    return job_id


def read(client: httpx2.Client, attempt: Attempt, part: str, method: str = "GET") -> httpx2.Response:
    return client.request(method, f"/api/jobs/{attempt.job_id}/{part}{attempt.query}", headers=attempt.headers)


@pytest.mark.parametrize("part", list(PARTS))
def test_a_ticket_or_the_owners_key_reads_it(
    client: httpx2.Client, done: Completed, owners: dict[str, Headers], part: str
) -> None:
    ticketed = f"?x=1&ticket={read_ticket(done.mine)}"
    for attempt in (
        Attempt(done.mine, ticketed),
        Attempt(done.mine, headers=owners[OWNERS[0]]),
        Attempt(done.mine, ticketed, owners[OWNERS[1]]),
        Attempt(done.mine, ticketed, bearer("wrong")),
        Attempt(done.mine.upper(), ticketed),
        Attempt(f"{{{done.mine}}}", ticketed),
    ):
        for method in ("GET", "HEAD"):
            answer = read(client, attempt, part, method)
            assert answer.status_code == PARTS[part], answer.text
            assert answer.headers["referrer-policy"] == "no-referrer"
    if part == "file":
        link = read(client, Attempt(done.mine, ticketed), part).headers["location"]
        assert "ticket" not in parse_qs(urlsplit(link).query)
        file = client.get(link)
        assert (file.content, file.headers["referrer-policy"]) == (b"0123456789", "no-referrer")


@pytest.mark.parametrize("misuse", list(INVALID))
def test_anything_else_is_refused(
    client: httpx2.Client, done: Completed, owners: dict[str, Headers], misuse: str
) -> None:
    attempt = INVALID[misuse](Target(Purpose.READ, done.mine, done.theirs, *OWNERS))
    code = "unauthenticated" if misuse in WITHOUT_TICKET else "ticket_invalid"
    for part in PARTS:
        answer = read(client, attempt, part)
        problem(answer, 401, code)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert read(client, attempt, part, "HEAD").status_code == 401
        if misuse not in WITHOUT_TICKET:
            with_key = Attempt(attempt.job_id, attempt.query, attempt.headers | owners[OWNERS[0]])
            problem(read(client, with_key, part), 401, "ticket_invalid")


def test_an_expired_ticket_is_told_apart(client: httpx2.Client, done: Completed, owners: dict[str, Headers]) -> None:
    attempt = expired(Target(Purpose.READ, done.mine, done.theirs, *OWNERS))
    for part in PARTS:
        problem(read(client, attempt, part), 401, "ticket_expired")
        problem(read(client, Attempt(done.mine, attempt.query, owners[OWNERS[0]]), part), 401, "ticket_expired")
        problem(read(client, Attempt(done.theirs, attempt.query), part), 401, "ticket_invalid")


def test_another_owners_key_finds_nothing(client: httpx2.Client, done: Completed, owners: dict[str, Headers]) -> None:
    for part in PARTS:
        theirs = read(client, Attempt(done.theirs, headers=owners[OWNERS[0]]), part)
        unknown = read(client, Attempt(str(uuid4()), headers=owners[OWNERS[0]]), part)
        assert problem(theirs, 404, "job_not_found") == problem(unknown, 404, "job_not_found")
    problem(read(client, Attempt("nonsense", f"?ticket={read_ticket('nonsense')}"), "file"), 404, "job_not_found")
    gone = str(uuid4())
    problem(read(client, Attempt(gone, f"?ticket={read_ticket(gone)}"), "file"), 404, "job_not_found")


def test_a_ticket_opens_nothing_but_its_parts(client: httpx2.Client, done: Completed) -> None:
    for ticket in (read_ticket(done.mine), owner_ticket(OWNERS[0])):
        query = f"?ticket={ticket}"
        for method, path in (
            ("GET", f"/api/jobs/{done.mine}"), ("DELETE", f"/api/jobs/{done.mine}"),
            ("POST", f"/api/jobs/{done.mine}/retry"), ("POST", "/api/tickets"),
        ):  # fmt: skip
            problem(client.request(method, path + query), 401, "unauthenticated")
    signed = client.get(f"/files/videos/test?ticket={read_ticket(done.mine)}")
    problem(signed, 403, "link_invalid")


def test_a_key_without_the_scope_needs_a_ticket(
    api: Api, client: httpx2.Client, done: Completed, keys_file: KeysFile
) -> None:
    key = keys_file.add("reader", OWNERS[0], ("jobs:read",))
    api.wait_until(lambda: client.get(f"/api/jobs/{done.mine}", headers=bearer(key)).status_code == 200)
    problem(read(client, Attempt(done.mine, headers=bearer(key)), "file"), 403, "forbidden")
    ticketed = Attempt(done.mine, f"?ticket={read_ticket(done.mine)}", bearer(key))
    assert read(client, ticketed, "file").status_code == 307


def test_the_links_of_a_document_work_as_they_are(
    client: httpx2.Client, done: Completed, owners: dict[str, Headers]
) -> None:
    mine = owners[OWNERS[0]]
    first = client.get(f"/api/jobs/{done.mine}", headers=mine)
    document = first.json()
    for link, status in ((document["thumbnail"], 200), (document["result"]["file_url"], 307)):
        assert client.get(link).status_code == status
        signer().check_job_ticket(parse_qs(urlsplit(link).query)["ticket"][0], Purpose.READ, done.mine, time.time())
    for link in (document["ws_url"], document["events_url"]):
        signer().check_job_ticket(parse_qs(urlsplit(link).query)["ticket"][0], Purpose.WATCH, done.mine, time.time())
    assert "ticket=" not in document["result"]["url"]
    again = client.get(f"/api/jobs/{done.mine}", headers={**mine, "If-None-Match": first.headers["etag"]})
    assert again.status_code == 304, "within the rounding of expiries"


def test_a_new_job_has_tickets_and_its_record_none(
    client: httpx2.Client, backstage: Backstage, owners: dict[str, Headers]
) -> None:
    answer = client.post("/api/download", json={"url": VIDEO}, headers=owners[OWNERS[0]])
    for link in (answer.json()["ws_url"], answer.json()["events_url"]):
        ticket = parse_qs(urlsplit(link).query)["ticket"][0]
        signer().check_job_ticket(ticket, Purpose.WATCH, answer.json()["job_id"], time.time())
    assert "ticket" not in answer.json()["status_url"] + answer.headers["location"]
    job_id = answer.json()["job_id"]
    stored = backstage.redis(lambda redis: redis.hgetall(f"vidferry:job:{job_id}"))
    assert stored
    assert b"ticket" not in b"".join(stored.values())
    cancelled = client.delete(f"/api/jobs/{job_id}", headers=owners[OWNERS[0]]).json()
    assert "?ticket=" in cancelled["ws_url"]


def test_the_ticket_of_an_owner(client: httpx2.Client, owners: dict[str, Headers], api: Api) -> None:
    for owner in OWNERS:
        answer = client.post("/api/tickets", headers=owners[owner])
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert signer().check_owner_ticket(given["ticket"], time.time()) == owner
        assert given["ws_url"] == f"{api.url.replace('http', 'ws')}/ws/downloads?ticket={given['ticket']}"
        assert given["expires_at"].endswith("Z")
        assert answer.headers["cache-control"] == "no-store"
    problem(client.post("/api/tickets"), 401, "unauthenticated")


def test_keys_are_rotated_in_a_running_cluster(backstage: Backstage, keys_file: KeysFile, done: Completed) -> None:
    old = Attempt(done.mine, f"?ticket={read_ticket(done.mine)}")
    new = Attempt(done.mine, f"?ticket={signer(NEXT_KEY).make_job_ticket(Purpose.READ, done.mine, time.time())}")
    opened = []
    for keys in (f"{NEXT_KEY},{TICKET_KEY}", NEXT_KEY):
        settings = {**keys_file.settings(), **ACCESS, "ticket_keys": keys}
        with (
            Api(backstage.server.url, backstage.folder, **settings) as process,
            httpx2.Client(base_url=process.url, timeout=20) as client,
        ):
            opened.append([read(client, each, "file").status_code for each in (old, new)])
    assert opened == [[307, 307], [401, 307]]


def test_in_open_access_a_ticket_is_ignored_and_none_is_given(backstage: Backstage, done: Completed) -> None:
    with (
        Api(backstage.server.url, backstage.folder) as process,
        httpx2.Client(base_url=process.url, timeout=20) as client,
    ):
        for query in ("", "?ticket=x", f"?ticket={expired_ticket(Purpose.READ, done.mine)}"):
            assert read(client, Attempt(done.mine, query), "file").status_code == 307
        assert "ticket=" not in client.get(f"/api/jobs/{done.mine}").text
        assert "ticket=" not in client.post("/api/download", json={"url": VIDEO}).text
        sockets = process.url.replace("http", "ws")
        assert client.post("/api/tickets").json() == {
            "ticket": None, "expires_at": None, "ws_url": f"{sockets}/ws/downloads",
        }  # fmt: skip


def test_no_ticket_comes_into_the_log_or_an_error(api: Api, client: httpx2.Client, done: Completed) -> None:
    tickets = [read_ticket(done.mine), read_ticket(done.theirs)]
    for ticket in tickets:
        for path in (f"/api/jobs/{done.mine}/file", "/nowhere", "/files/x", "/ws/downloads", "/static/nothing.js", "/"):
            for method in ("GET", "POST", "DELETE"):
                assert ticket not in client.request(method, f"{path}?ticket={ticket}").text
    api.wait_for("request", route="/ws/downloads")
    for ticket in tickets:
        assert ticket.rpartition(".")[2] not in api.log


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/nothing.js", "/nowhere", "/api/jobs/x", "/files/x"])
def test_no_page_or_error_sends_a_referrer(client: httpx2.Client, path: str) -> None:
    assert client.get(f"{path}?ticket=x").headers["referrer-policy"] == "no-referrer"
