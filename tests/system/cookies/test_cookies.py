"""Sites are asked with the operator's cookies; these reach no other site, no record, no log and nobody else's jobs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.access import KeysFile, bearer
from support.answers import accepted, problem
from support.children import environment, program
from support.jobs import redis_client
from support.origin import media
from support.origin.files import File
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request
from support.product import Product, wait_until
from support.records import of
from support.services import variables

EVERYBODYS, ALICES = "everybodys-secret-4711", "alices-secret-0815"
LATER = str(int(time.time()) + 30 * 86400)


def line(value: str, name: str = "session", domain: str = "127.0.0.1", expires: str = LATER) -> str:
    return f"{domain}\tFALSE\t/\tFALSE\t{expires}\t{name}\t{value}\n"


def for_holders_of(value: str, data: bytes) -> Callable[[Request], Reply | File]:
    """What answers 401 to everybody else."""

    def answer(request: Request) -> Reply | File:
        if f"session={value}" not in request.headers.get("cookie", ""):
            return Reply(401, {"Content-Length": "0"})
        return File("clip.mp4", data)

    return answer


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """Another site, which records what it is asked."""
    with Origin(host="127.0.0.2") as server:
        yield server


@pytest.fixture(scope="module")
def clip() -> bytes:
    return (media.folder() / "clip.mp4").read_bytes()


class Service:
    """Vidferry with a folder of cookies, and two owners of whom only team-a may use the credential alice."""

    def __init__(self, product: Product, cookies: Path, keys: dict[str, str]) -> None:
        self.product, self.cookies, self._keys = product, cookies, keys

    def post(self, owner: str, url: str, path: str = "/api/download", **fields: Any) -> httpx2.Response:
        named = {} if path == "/api/batches" else {"url": url}
        return self.product.client.post(path, json={**named, **fields}, headers=bearer(self._keys[owner]))

    def get(self, owner: str, path: str, **query: str) -> dict[str, Any]:
        answer = self.product.client.get(path, params=query, headers=bearer(self._keys[owner]))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def run(self, owner: str, url: str, **fields: Any) -> dict[str, Any]:
        """The job of a download, once it has ended."""
        return self.ended(owner, accepted(self.post(owner, url, **fields))["job_id"])

    def ended(self, owner: str, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            found.update(self.get(owner, f"/api/jobs/{job_id}"))
            return found["status"] in {"completed", "failed"}

        wait_until(has_ended, lambda: f"stays at {found}")
        return found

    def put(self, name: str, *lines: str) -> None:
        """Replaces a file as a mounted Secret does, and waits until the worker has read it."""
        count = len(self.product.worker.logged("read a file of cookies", file=name))
        new = self.cookies / f"..{name}"
        new.write_text("# Netscape HTTP Cookie File\n" + "".join(lines))
        new.rename(self.cookies / name)
        self.product.worker.wait_for("read a file of cookies", count + 1, file=name)


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Service]:
    cookies = home / "cookies"
    cookies.mkdir()
    keys_file = KeysFile(home / "keys.toml", '[owners.team-a]\ncredentials = ["alice", "bob"]\n')
    keys = {owner: keys_file.add(owner) for owner in ("team-a", "team-b")}
    (cookies / "127.0.0.1.txt").write_text(line(EVERYBODYS))
    (cookies / "alice_127.0.0.1.txt").write_text(line(ALICES))
    worker = {"cookies_dir": str(cookies), "worker_slots": "6"}
    told = variables({**keys_file.settings(), **settings})
    with Product(home, worker, environment=told, gateways=0) as product:
        service = Service(product, cookies, keys)
        wait_until(lambda: service.get("team-a", "/api/objects")["complete"])  # until then, unknown objects may come
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("home")) as started:
        yield started


def test_a_site_is_asked_with_its_own_cookies(service: Service, site: Site, clip: bytes) -> None:
    """Those for everybody without a credential, and those of the credential with one."""
    everybodys = site.put("/everybodys/clip.mp4", for_holders_of(EVERYBODYS, clip))
    alices = site.put("/alices/clip.mp4", for_holders_of(ALICES, clip))

    assert service.run("team-b", everybodys)["status"] == "completed"
    assert service.run("team-a", alices, credential="alice")["status"] == "completed"
    assert service.run("team-a", everybodys, credential="alice")["error"]["code"] == "credential_refused"


@pytest.mark.parametrize("path", ["/api/download", "/api/probes", "/api/batches"])
def test_nobody_uses_a_credential_that_he_was_not_given(service: Service, site: Site, path: str) -> None:
    fields = {"urls": [site.url("/media/clip.mp4")]} if path == "/api/batches" else {}
    answers = [
        service.post("team-b", site.url("/media/clip.mp4"), path, credential=name, **fields)
        for name in ("alice", "nobody")
    ]
    documents = [problem(answer, 403, "forbidden") for answer in answers]
    assert documents[0]["detail"] == documents[1]["detail"], "it does not tell which ones there are"
    for name in ("", "Alice", "../alice", "a" * 33, "alice_x", "al.ice"):
        answer = service.post("team-a", site.url("/media/clip.mp4"), path, credential=name, **fields)
        problem(answer, 422, "invalid_request")
    assert site.requests() == []


def test_what_was_fetched_with_a_credential_is_of_that_credential(service: Service, site: Site, clip: bytes) -> None:
    """Neither a running download, nor an object, nor what a probe found is for whoever may not use the credential."""
    gate = site.gate("reuse")
    url = site.url("/gated/reuse/clip.mp4")
    mine = accepted(service.post("team-a", url, credential="alice"))["job_id"]
    gate.wait_held()
    theirs = accepted(service.post("team-b", url))["job_id"]
    gate.wait_held(2)
    gate.open()
    assert service.ended("team-a", mine)["status"] == "completed"
    assert not service.ended("team-b", theirs)["result"]["reused"]
    again = service.run("team-a", url, credential="alice")
    assert again["result"]["reused"]

    listed = {
        owner: service.get(owner, "/api/objects", title_prefix="clip")["objects"] for owner in ("team-a", "team-b")
    }
    with_credential = service.get("team-a", "/api/objects", credential="alice")["objects"]
    ids = {each["object_id"] for each in with_credential}
    assert ids
    assert all(listed.values()), "what was fetched without is everybody's"
    assert not ids & {each["object_id"] for objects in listed.values() for each in objects}
    for object_id in ids:
        service.get("team-a", f"/api/objects/{object_id}")
        refused = service.product.client.get(f"/api/objects/{object_id}", headers=bearer(service._keys["team-b"]))
        problem(refused, 404, "object_not_found")
    refused = service.product.client.get(
        "/api/objects", params={"credential": "alice"}, headers=bearer(service._keys["team-b"])
    )
    problem(refused, 403, "forbidden")


def test_a_probe_and_a_playlist_are_read_with_the_credential(service: Service, site: Site, clip: bytes) -> None:
    video = site.put("/signed-in.mp4", for_holders_of(ALICES, clip))
    looked = [
        service.post(owner, video, "/api/probes?wait=30", **fields).json()
        for owner, fields in (("team-a", {"credential": "alice"}), ("team-b", {}), ("team-a", {"credential": "alice"}))
    ]
    assert [each["status"] for each in looked] == ["completed", "failed", "completed"]
    assert looked[1]["error"]["code"] == "credential_refused"

    feed = (
        f'<rss version="2.0"><channel><title>F</title><item><title>V</title><link>{video}</link></item></channel></rss>'
    )

    def answer(request: Request) -> Reply:
        known = f"session={ALICES}" in request.headers.get("cookie", "")
        body = feed.encode() if known else b""
        return Reply(200 if known else 401, {"Content-Type": "application/rss+xml"}, Body(body))

    playlist = site.put("/feed.xml", answer)
    batch = accepted(service.post("team-a", "", "/api/batches", playlist=playlist, credential="alice"))
    ended = service.ended("team-a", batch["job_id"])
    assert (ended["status"], ended["batch"]["counts"]["completed"]) == ("completed", 1)
    retried = service.product.client.post(
        f"/api/jobs/{looked[1]['job_id']}/retry", headers=bearer(service._keys["team-b"])
    )
    assert retried.status_code == 202, "of everybody's cookies"


def test_refused_and_expired_cookies_are_told(service: Service, site: Site, clip: bytes) -> None:
    """By a code of their own, at the first try. A new file serves at once."""
    url = site.put("/bob.mp4", for_holders_of("bobs-new-secret", clip))
    missing = service.run("team-a", url, credential="bob")
    assert (missing["error"]["code"], missing["retries"], site.requests()) == ("credential_missing", 0, [])

    service.put("bob_127.0.0.1.txt", line("bobs-old-secret", expires=str(int(time.time()) - 60)))
    expired = service.run("team-a", url, credential="bob")
    assert (expired["error"]["code"], expired["retries"], site.requests()) == ("credential_refused", 0, [])

    service.put("bob_127.0.0.1.txt", line("bobs-old-secret"))
    refused = service.run("team-a", url, credential="bob")
    assert (refused["error"]["code"], refused["retries"]) == ("credential_refused", 0)
    assert "Tell the service's operator" in refused["error"]["message"]
    assert not refused["error"]["retryable"]

    service.put("bob_127.0.0.1.txt", line("bobs-new-secret"))
    assert service.run("team-a", url, credential="bob")["status"] == "completed"


def test_no_other_site_is_sent_the_cookies(service: Service, site: Site, other: Origin, clip: bytes) -> None:
    """Not by a redirect, nor by a page whose video, playlist, keys and pictures are elsewhere."""
    elsewhere = other.site()
    elsewhere.put("/clip.mp4", File("clip.mp4", clip))
    elsewhere.put("/poster.jpg", Reply(404, {"Content-Length": "0"}))
    page = (
        f'<video poster="{elsewhere.url("/poster.jpg")}"><source src="{elsewhere.url("/clip.mp4")}" type="video/mp4">'
    )
    redirect = Reply(302, {"Location": elsewhere.url("/clip.mp4"), "Content-Length": "0"})
    urls = [
        site.put("/redirect.mp4", redirect),
        site.put("/page", Reply(200, {"Content-Type": "text/html"}, Body(page.encode()))),
    ]
    for url in urls:
        assert service.run("team-a", url, credential="alice")["status"] == "completed"

    assert all(f"session={ALICES}" in each.headers.get("cookie", "") for each in site.requests())
    asked = elsewhere.requests()
    assert len(asked) >= 2
    assert not [each for each in asked if "secret" in str(each.headers)]


def test_another_site_gets_nothing_done_with_the_cookies(
    service: Service, site: Site, other: Origin, clip: bytes
) -> None:
    """A page elsewhere that has a video of the site fetched: the child is that page's, and has no cookies."""
    video = site.put("/private.mp4", for_holders_of(EVERYBODYS, clip))
    page = other.site().put("/page", Reply(200, {"Content-Type": "text/html"}, Body(f"<video src={video}>".encode())))

    assert service.run("team-a", page)["error"]["code"] == "login_required"
    assert service.run("team-a", page, credential="alice")["error"]["code"] == "credential_missing"

    (asked,) = site.requests()
    assert "cookie" not in asked.headers


def test_nothing_keeps_the_cookies(service: Service, site: Site, clip: bytes) -> None:
    """Not Redis, the bucket, the logs, nor what is seen of processes and their files; also where a page repeats one."""
    echo = f"<title>Hello {ALICES}</title><video src='{site.url('/gated/kept/clip.mp4')}'></video>"
    url = site.put("/echo", Reply(200, {"Content-Type": "text/html"}, Body(echo.encode())))
    broken = site.put("/broken", Reply(200, {"Content-Type": "text/html"}, Body(f"<title>{ALICES}".encode())))
    gate = site.gate("kept")
    job_id = accepted(service.post("team-a", url, credential="alice"))["job_id"]
    gate.wait_held()
    product = service.product
    children = product.children()
    assert children
    pids = {product.worker.pid, *children}
    seen = "".join(program(pid) + environment(pid).decode("latin-1") for pid in pids)
    assert not [
        path for path in product.worker.folder.rglob("*") if path.is_file() and _holds_secret(path.read_bytes())
    ]
    gate.open()
    done = service.ended("team-a", job_id)
    assert (done["status"], done["title"]) == ("completed", "Hello [cookie]")
    service.run("team-a", broken, credential="alice")
    service.post("team-a", url, "/api/probes?wait=30", credential="alice")

    kept = {path: path.read_bytes() for path in (product.home / "bucket").rglob("*") if path.is_file()}
    assert not [path for path, data in kept.items() if _holds_secret(data)]
    assert not _holds_secret(seen.encode())
    assert not _holds_secret((product.worker.log + product.api.log).encode())
    assert not _holds_secret(_dump(product))


def _holds_secret(data: bytes) -> bool:
    return any(value.encode() in data for value in (EVERYBODYS, ALICES))


def _dump(product: Product) -> bytes:
    """All that is in Redis."""

    async def dump() -> bytes:
        async with redis_client(product.redis) as client:
            found = []
            for key in await client.keys("*"):
                found.append(key)
                match await client.type(key):
                    case b"string":
                        found.append(await client.get(key) or b"")
                    case b"hash":
                        found += [each for pair in (await of(client.hgetall(key))).items() for each in pair]
                    case b"list":
                        found += await of(client.lrange(key, 0, -1))
                    case b"set":
                        found += await of(client.smembers(key))
                    case b"zset":
                        found += await client.zrange(key, 0, -1)
            return b"\n".join(found)

    return asyncio.run(dump())
