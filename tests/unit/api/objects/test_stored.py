"""/api/objects: what each owner sees of the bucket, keeps and deletes."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from support.answers import problem
from support.backstage import Backstage
from support.owners import HEADER, HeaderAuthenticator
from support.tickets import ACCESS, expired_ticket, read_ticket, signer
from unit.api.conftest import OpenApp
from vidferry_api.access.principal import Principal, Scope
from vidferry_common.bucket import NEW, Bucket, StoredObject, Upload
from vidferry_common.contract import keys
from vidferry_common.contract.identity import object_id, partition_of
from vidferry_common.contract.tickets import Purpose
from vidferry_common.objects.entry import entry_of
from vidferry_common.store import Store

A, B, ADMIN, READER, JOBS = ({HEADER: name} for name in ("team-a", "team-b", "admin", "reader", "jobs"))
OBJECTS = "/api/objects"
Put = Callable[..., StoredObject]


class ObjectAuthenticator(HeaderAuthenticator):
    """`team-a` and `team-b` may read and delete objects, `reader` reads those of team-a, `jobs` may do neither."""

    async def identify(self, request: Request) -> Principal:
        name = request.headers.get(HEADER)
        if name is None:
            return Principal("", "nobody", frozenset())
        if name == "admin":
            return await super().identify(request)
        if name == "reader":
            return Principal("team-a", name, frozenset({Scope.OBJECTS_READ}))
        if name == "jobs":
            return Principal("team-a", name, frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
        return Principal(name, name, frozenset({Scope.OBJECTS_READ, Scope.OBJECTS_DELETE}))


def owners(client: TestClient) -> TestClient:
    services = cast("Any", client.app).state.services
    services.authenticator = ObjectAuthenticator(services.settings, services.metrics)
    return client


@pytest.fixture
def put(backstage: Backstage) -> Iterator[Put]:
    """Stores a video in the bucket, and puts it into the index as a worker does."""
    made: list[StoredObject] = []

    def putting(
        owner: str = "", title: str = "A film", thumbnail: bool = False, content: bytes = b"film",
        replaces: StoredObject | None = None, video: str = "", **metadata: str,
    ) -> StoredObject:  # fmt: skip
        partition = partition_of(owner)
        video = video or f"videos/youtube/youtube.com/{uuid4().hex}{partition and '@' + partition}"
        name = replaces.name if replaces else f"{video}/1080-any"
        metadata = {"title": title, "site": "youtube.com", "duration": "1.5", **metadata}

        async def upload(bucket: Bucket) -> StoredObject:
            if thumbnail:
                what = Upload(f"{video}/thumbnail", "image/png")
                await bucket.upload(what, io.BytesIO(b"\x89PNG\r\n\x1a\n"), 8, lambda _: None)
            version = replaces.version if replaces else NEW
            what = Upload(name, "video/mp4", f"{title}.mp4", metadata, version)
            return await bucket.upload(what, io.BytesIO(content), len(content), lambda _: None)

        async def index(store: Store) -> None:
            await store.object_index.put(entry_of(stored, has_thumbnail=thumbnail))

        stored = backstage.bucket(upload)
        backstage.store(index)
        made.append(stored)
        return stored

    yield putting
    for name in {stored.name for stored in made}:
        current = backstage.bucket(lambda bucket, name=name: bucket.stat(name))  # type: ignore[misc]
        if current:
            backstage.remove(current)


def url_of(stored: StoredObject) -> str:
    return f"{OBJECTS}/{object_id(stored.name)}"


def listed(client: httpx2.Client | TestClient, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    token = ""
    while True:
        answer = client.get(OBJECTS, params={**query, "page_token": token}, headers=headers or {})
        assert answer.status_code == 200, answer.text
        found += [each["object_id"] for each in answer.json()["objects"]]
        token = answer.json()["next_page_token"]
        if not token:
            return found


def test_a_stored_video(api: httpx2.Client, put: Put) -> None:
    stored = put(title="Ein „Test“ – 動画", thumbnail=True)

    answer = api.get(url_of(stored))
    document = answer.json()

    root = str(api.base_url).rstrip("/")
    expected = {
        "object_id": object_id(stored.name), "title": "Ein „Test“ – 動画", "site": "youtube.com",
        "format": {"quality": "1080", "container": "any"}, "duration": 1.5, "size": 4, "media_type": "video/mp4",
        "filename": "Ein „Test“ – 動画.mp4", "expires_at": None, "object_url": root + url_of(stored),
        "file_url": f"{root}{url_of(stored)}/file", "thumbnail": f"{root}{url_of(stored)}/thumbnail",
    }  # fmt: skip
    assert {field: document[field] for field in expected} == expected
    assert answer.headers["etag"] == f'"{document["version"]}"'
    assert abs(datetime.fromisoformat(document["stored_at"]).timestamp() - stored.created) < 0.002
    assert api.get(OBJECTS).json()["objects"] == [document]
    file = api.get(f"{url_of(stored)}/file")
    assert file.status_code == 307
    assert api.get(file.headers["location"]).content == b"film"
    picture = api.get(f"{url_of(stored)}/thumbnail")
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    assert api.get(f"{url_of(stored)}/thumbnail", headers={"If-None-Match": picture.headers["etag"]}).status_code == 304
    assert not any(stored.name.split("/")[3] in text for text in (answer.text, api.get(OBJECTS).text))


def test_pages_and_filters(api: httpx2.Client, put: Put) -> None:
    made = [
        put(title=f"{'Film' if number % 2 else 'Talk'} {number}", site=f"s{number // 3}.org") for number in range(6)
    ]
    ids = [object_id(stored.name) for stored in reversed(made)]

    assert listed(api, page_size=4) == listed(api, page_size=1) == ids
    assert listed(api, title_prefix="fILM") == ids[0::2]
    assert listed(api, site="www.s0.org", page_size=2) == ids[3:]
    middle = api.get(url_of(made[3])).json()["stored_at"]
    assert set(listed(api, stored_after=middle)) | set(listed(api, stored_before=middle)) == set(ids)
    assert ids[0] in listed(api, stored_after=middle)
    assert ids[5] in listed(api, stored_before=middle)
    for wrong in (
        {"page_size": 0}, {"page_size": 201}, {"stored_after": "1"}, {"title_prefix": "x" * 201}, {"sit": "x"},
        {"page_token": "x"}, {"owner": "*"}, {"site": "x" * 254},
    ):  # fmt: skip
        problem(api.get(OBJECTS, params=cast("Any", wrong)), 422, "invalid_request")


@pytest.mark.parametrize("sharing", ["all", "owner"])
def test_two_owners(open_app: OpenApp, backstage: Backstage, put: Put, sharing: str) -> None:
    """Nothing of one is seen, counted, changed or guessed by the other."""
    shared, mine, others = put(), put("team-a"), put("team-b")
    client = owners(open_app(share_objects=sharing))
    mine_only, all_ids = [object_id(mine.name)], {object_id(each.name) for each in (shared, mine, others)}
    shared_ids = [object_id(shared.name)]

    assert listed(client, A) == listed(client, READER) == (shared_ids if sharing == "all" else mine_only)
    assert listed(client, A, owner="team-a") == mine_only
    assert set(listed(client, ADMIN)) == all_ids
    assert listed(client, ADMIN, owner="team-b") == [object_id(others.name)]
    assert listed(client, ADMIN, owner="") == shared_ids
    problem(client.get(OBJECTS, params={"owner": "team-b"}, headers=A), 403, "forbidden")
    if sharing == "all":
        assert listed(client, B, owner="") == shared_ids
    else:
        problem(client.get(OBJECTS, params={"owner": ""}, headers=B), 403, "forbidden")

    unseen = [others] if sharing == "all" else [others, shared]
    nobodys = f"{OBJECTS}/{uuid4()}"
    backstage.redis(lambda redis: redis.hset(keys.OBJECT_WALK, "completed", 1))  # unknown ids are in no bucket then
    for stored in unseen:
        for method, path, body in (
            ("GET", "", None), ("GET", "/file", None), ("GET", "/thumbnail", None), ("DELETE", "", None),
            ("PATCH", "", {"expires_at": None}),
        ):  # fmt: skip
            answers = [
                client.request(method, where + path, json=body, headers={**A, "If-Match": "*"})
                for where in (url_of(stored), nobodys)
            ]
            assert answers[0].content == answers[1].content
            problem(answers[0], 404, "object_not_found")
        assert client.get(url_of(stored), headers=ADMIN).status_code == 200
    for method, headers in (("DELETE", READER), ("PATCH", READER), ("GET", JOBS)):
        answer = client.request(method, url_of(mine), json={"expires_at": None}, headers=headers)
        problem(answer, 403, "forbidden")
    problem(client.get(OBJECTS, headers=JOBS), 403, "forbidden")
    token = client.get(OBJECTS, params={"page_size": 1}, headers=ADMIN).json()["next_page_token"]
    problem(client.get(OBJECTS, params={"page_token": token}, headers=A), 422, "invalid_request")
    assert client.delete(url_of(mine), headers=A).status_code == 204
    assert set(listed(client, ADMIN)) == all_ids - set(mine_only)


def test_ids_that_are_none(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    stored = put()
    unknown = f"{OBJECTS}/{uuid4()}"
    assert "list of objects" in problem(api.get(unknown), 503, "index_incomplete")["detail"]
    assert api.get(OBJECTS).json()["complete"] is False
    backstage.redis(lambda redis: redis.hset(keys.OBJECT_WALK, "completed", 1))
    assert api.get(OBJECTS).json()["complete"] is True

    for path in (
        unknown, f"{OBJECTS}/x", f"{OBJECTS}/%2e%2e", f"{OBJECTS}/vidferry:objects", f"{OBJECTS}/{'0' * 300}",
        f"{OBJECTS}/{stored.name.replace('/', '%2f')}", f"{OBJECTS}/%00",
    ):  # fmt: skip
        for method in ("GET", "DELETE"):
            assert api.request(method, path).status_code == 404, path
    assert api.get(f"{OBJECTS}/{object_id(stored.name).upper()}").status_code == 200


def test_tickets(open_app: OpenApp, put: Put, tmp_path: Path) -> None:
    """A link of a document needs no key, and opens the one object for reading alone."""
    (tmp_path / "keys.toml").write_text("")
    client = owners(open_app(share_objects="owner", access_keys_file=str(tmp_path / "keys.toml"), **ACCESS))
    mine, other = put("team-a", thumbnail=True), put("team-b", thumbnail=True)
    document = client.get(url_of(mine), headers=A).json()
    assert client.get(OBJECTS, headers=A).json()["objects"] == [document]
    ids = [object_id(each.name) for each in (mine, other)]

    for link in (document["file_url"], document["thumbnail"]):
        assert client.get(link).status_code == (307 if "/file" in link else 200)
        problem(client.get(link.replace(*ids)), 401, "ticket_invalid")
        ticket = link.partition("ticket=")[2]
        path = link.partition("?")[0]
        for wrong in (read_ticket(ids[0]), "", "x", ticket + "A", signer("another key" * 4).make_job_ticket(
            Purpose.READ_OBJECT, ids[0], 1e9)):  # fmt: skip
            problem(client.get(path, params={"ticket": wrong}, headers=A), 401, "ticket_invalid")
        expired = expired_ticket(Purpose.READ_OBJECT, ids[0])
        problem(client.get(path, params={"ticket": expired}), 401, "ticket_expired")
        answer = client.get(f"/api/jobs/{ids[0]}/file", params={"ticket": ticket})
        problem(answer, 401, "ticket_invalid")
        deleted = client.delete(f"{OBJECTS}/{ids[0]}", params={"ticket": ticket})
        problem(deleted, 403, "forbidden")


def test_deleting(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    stored = put(thumbnail=True)
    video = stored.name.rpartition("/")[0]
    other = backstage.put(f"{video}/720-mp4", b"other")
    version = api.get(url_of(stored)).json()["version"]
    link = api.get(f"{url_of(stored)}/file").headers["location"]

    problem(api.delete(url_of(stored), headers={"If-Match": '"another"'}), 412, "precondition_failed")
    assert backstage.redis(lambda redis: redis.zcard(keys.PINNED)) == 1, "the link that was handed out stays good"
    assert api.delete(url_of(stored), headers={"If-Match": f'"x", W/"{version}"'}).status_code == 204

    problem(api.get(link), 410, "object_gone")
    assert listed(api) == []
    assert api.delete(url_of(stored)).status_code in {404, 503}
    assert backstage.bucket(lambda bucket: bucket.stat(f"{video}/thumbnail")), "another format is left"
    assert backstage.redis(lambda redis: redis.zcard(keys.DELETING) or redis.zcard(keys.PINNED)) == 0
    backstage.remove(other)


def test_the_thumbnail_goes_with_the_last_format(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    stored = put(thumbnail=True)

    assert api.delete(url_of(stored)).status_code == 204

    thumbnail = stored.name.replace("1080-any", "thumbnail")
    assert backstage.bucket(lambda bucket: bucket.stat(thumbnail)) is None


def test_an_object_that_is_gone_says_so_and_leaves_the_list(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", ""), ("PATCH", "")):
        stored = put()
        backstage.remove(stored)
        assert len(listed(api)) == 1
        problem(api.request(method, url_of(stored) + path, json={"expires_at": None}), 410, "object_gone")
        assert listed(api) == []


def test_changing_when_it_expires(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    stored = put()
    before = api.get(url_of(stored)).json()
    moment = datetime.now(UTC) + timedelta(days=30)

    changed = api.patch(
        url_of(stored), json={"expires_at": moment.isoformat()}, headers={"If-Match": f'"{before["version"]}"'}
    )

    assert changed.status_code == 200, changed.text
    after = changed.json()
    assert abs(datetime.fromisoformat(after["expires_at"]) - moment) < timedelta(milliseconds=1)
    assert after["version"] != before["version"]
    assert changed.headers["etag"] == f'"{after["version"]}"'
    assert {**after, "version": 0, "expires_at": None} == {**before, "version": 0}
    assert api.get(url_of(stored)).json() == api.get(OBJECTS).json()["objects"][0] == after
    problem(
        api.patch(url_of(stored), json={"expires_at": None}, headers={"If-Match": f'"{before["version"]}"'}),
        412, "precondition_failed",
    )  # fmt: skip
    problem(api.delete(url_of(stored), headers={"If-Match": f'"{before["version"]}"'}), 412, "precondition_failed")
    assert api.patch(url_of(stored), json={"expires_at": None}).json()["expires_at"] is None
    for wrong in (
        {}, {"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": 4e9}, {"expires_at": "2300-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"}, {"expires_at": None, "title": "x"},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
    ):  # fmt: skip
        problem(api.patch(url_of(stored), json=wrong), 422, "invalid_request")
    broken = api.patch(url_of(stored), content="{", headers={"content-type": "application/json"})
    assert "expires_at" in problem(broken, 400, "invalid_json")["detail"]


def test_what_is_being_deleted_is_not_handed_out(api: httpx2.Client, backstage: Backstage, put: Put) -> None:
    stored = put()
    backstage.store(lambda store: store.objects.mark_deleting("", [stored.name]))

    problem(api.get(f"{url_of(stored)}/file"), 410, "object_gone")
    problem(api.patch(url_of(stored), json={"expires_at": None}), 410, "object_gone")


def test_an_object_that_was_replaced_has_another_version(api: httpx2.Client, put: Put) -> None:
    stored = put()
    version = api.get(url_of(stored)).json()["version"]
    put(replaces=stored, content=b"another film", title="Another")

    document = api.get(url_of(stored)).json()

    assert (document["size"], document["title"], document["version"] != version) == (12, "Another", True)
    problem(api.delete(url_of(stored), headers={"If-Match": f'"{version}"'}), 412, "precondition_failed")
