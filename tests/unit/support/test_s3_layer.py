"""What the tests' S3 refuses and tells, by plain HTTP: the same of the wheel's server and of the strict one."""

import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import google_crc32c
import pytest

from support import s3_faults
from support.s3 import S3
from support.s3_layer import lower
from support.s3_rules import SKEW, WEEK
from support.s3_signatures import UNSIGNED, Keys, link, signed
from support.s3_sts import ROLE

MIB = 1024 * 1024
PART = b"a" * (5 * MIB)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    """names in lower case"""
    body: bytes

    @property
    def code(self) -> str:
        """The name of the error; empty where there is none."""
        return str((re.findall("<Code>(.*?)</Code>", self.body.decode()) or [""])[0])

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def sum(self) -> str:
        """A part's checksum, as the end of its upload names it; empty where it has none."""
        told = self.headers.get("x-amz-checksum-crc32c")
        return f"<ChecksumCRC32C>{told}</ChecksumCRC32C>" if told else ""


class Client:
    """Plain HTTP, so that nothing corrects what is wrong on purpose, and nothing is tried again."""

    def __init__(self, s3: S3) -> None:
        self.s3, self.keys = s3, s3.layer.accounts.root
        self.host = urlsplit(s3.endpoint).netloc

    def target(self, name: str = "film", query: str = "") -> str:
        return f"/{self.s3.bucket}/{name}" + (f"?{query}" if query else "")

    def send(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        """As it is, without a signature."""
        connection = HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, target, body or None, {"host": self.host, **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, lower(dict(reply.getheaders())), reply.read())
        finally:
            connection.close()

    def call(
        self,
        method: str,
        name: str = "film",
        body: bytes = b"",
        query: str = "",
        payload: str = UNSIGNED,
        **headers: Any,
    ) -> Reply:
        named = {"host": self.host} | {key.replace("_", "-"): value for key, value in headers.items()}
        target = self.target(name, query)
        return self.send(method, target, body, signed(self.keys, method, target, named, payload))

    def begin(self, name: str = "film", **headers: Any) -> str:
        reply = self.call("POST", name, query="uploads=", **headers)
        assert reply.status == 200, reply
        return str(re.findall("<UploadId>(.*?)</UploadId>", reply.body.decode())[0])

    def part(self, upload: str, number: int, body: bytes, **headers: Any) -> Reply:
        query = urlencode({"partNumber": number, "uploadId": upload})
        return self.call("PUT", body=body, query=query, **headers)

    def complete(self, upload: str, *parts: Reply, **headers: Any) -> Reply:
        """parts: the replies to them."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{part.etag}</ETag>{part.sum}</Part>"
            for number, part in enumerate(parts, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        return self.call("POST", body=body, query=urlencode({"uploadId": upload}), **headers)

    def stored(self, name: str = "film") -> bytes | None:
        reply = self.call("GET", name)
        return reply.body if reply.status == 200 else None


@pytest.fixture
def client(s3: S3) -> Client:
    return Client(s3)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def test_a_signed_request_is_answered_and_no_other(client: Client) -> None:
    assert client.call("PUT", body=b"film", x_amz_meta_title="one").status == 200
    assert client.stored() == b"film"
    assert client.call("HEAD").headers["x-amz-meta-title"] == "one"

    assert client.send("GET", client.target()).status == 403
    client.keys = replace(client.keys, secret="another")
    assert client.call("GET").code == "SignatureDoesNotMatch"
    client.keys = Keys("nobody", "another")
    assert client.call("GET").status in {403, 404}  # versitygw has a word of its own for it


def test_what_is_changed_on_the_way_is_refused(client: Client) -> None:
    target = client.target()
    headers = signed(client.keys, "PUT", target, {"host": client.host, "x-amz-meta-title": "one"})
    assert client.send("PUT", target, b"film", {**headers, "x-amz-meta-title": "two"}).code == "SignatureDoesNotMatch"
    assert client.send("PUT", target + "2", b"film", headers).code == "SignatureDoesNotMatch"
    claimed = hashlib.sha256(b"film").hexdigest()
    assert client.call("PUT", body=b"live", payload=claimed).code == "XAmzContentSHA256Mismatch"
    assert client.stored() is None
    assert client.call("PUT", body=b"film", payload=claimed).status == 200


def test_a_link_opens_its_object_until_it_ends(client: Client, s3: S3) -> None:
    client.call("PUT", body=b"0123456789")
    url = link(client.keys, client.host, client.target(), 600, **{"response-content-disposition": "attachment"})
    found = client.send("GET", url, headers={"range": "bytes=2-5"})
    assert (found.status, found.body, found.headers["content-disposition"]) == (206, b"2345", "attachment")
    for old, new in (("X-Amz-Expires=600", "X-Amz-Expires=601"), ("film?", "life?"), ("=attachment", "=inline")):
        assert old in url
        assert client.send("GET", url.replace(old, new)).status == 403
    assert client.send("GET", link(client.keys, client.host, client.target(), WEEK + 1)).status == 400
    s3.layer.clock_ahead = 598
    assert client.send("GET", url).status == 200
    s3.layer.clock_ahead = 602
    assert client.send("GET", url).status == 403


@pytest.mark.parametrize("ahead", [SKEW + 10, -SKEW - 10])
def test_a_clock_that_is_off_is_told(client: Client, s3: S3, ahead: float) -> None:
    s3.layer.clock_ahead = ahead
    refused = client.call("GET")
    assert (refused.status, refused.code) == (403, "RequestTimeTooSkewed")


def test_a_body_has_the_checksum_that_is_claimed(client: Client) -> None:
    refused = client.call("PUT", body=b"film", x_amz_checksum_crc32c=crc32c(b"x"))
    assert (refused.status, refused.code) == (400, "BadDigest")
    assert client.stored() is None
    assert client.call("PUT", body=b"film", x_amz_checksum_crc32c=crc32c(b"film")).status == 200
    told = client.call("HEAD", x_amz_checksum_mode="ENABLED").headers
    assert (told["x-amz-checksum-crc32c"], told["x-amz-checksum-type"]) == (crc32c(b"film"), "FULL_OBJECT")


def begin_checked(client: Client) -> tuple[str, Reply, Reply]:
    """An upload of two parts, which both are there, and the replies to them."""
    upload = client.begin(x_amz_checksum_algorithm="CRC32C", x_amz_checksum_type="FULL_OBJECT")
    first, second = (
        client.part(upload, number, body, x_amz_checksum_crc32c=crc32c(body))
        for number, body in enumerate((PART, b"b"), 1)
    )
    return upload, first, second


def test_parts_become_one_object_at_the_end(client: Client, s3: S3) -> None:
    upload, *parts = begin_checked(client)
    assert client.stored() is None
    assert s3.uploads() == ["film"]
    whole = {"x_amz_checksum_type": "FULL_OBJECT", "x_amz_checksum_crc32c": crc32c(PART + b"b")}
    assert client.complete(upload, *parts, **whole).status == 200
    assert client.stored() == PART + b"b"
    told = client.call("HEAD", x_amz_checksum_mode="ENABLED").headers
    assert (told["x-amz-checksum-crc32c"], told["x-amz-checksum-type"]) == (crc32c(PART + b"b"), "FULL_OBJECT")
    assert s3.uploads() == []
    assert s3.names() == ["film"]


def test_parts_that_are_not_what_was_meant_make_no_object(client: Client) -> None:
    upload, *parts = begin_checked(client)
    refused = client.part(upload, 1, PART, x_amz_checksum_crc32c=crc32c(b"x"))
    assert (refused.status, refused.code) == (400, "BadDigest")
    whole = {"x_amz_checksum_type": "FULL_OBJECT", "x_amz_checksum_crc32c": crc32c(b"x")}
    assert client.complete(upload, *parts, **whole).status == 400
    assert client.complete(upload, *reversed(parts)).code == "InvalidPart"
    assert client.stored() is None


def test_a_part_but_the_last_has_five_mebibytes(client: Client) -> None:
    upload = client.begin()
    parts = [client.part(upload, number, PART[number:]) for number in (1, 2)]
    assert client.complete(upload, *parts).code == "EntityTooSmall"
    assert client.stored() is None


def test_an_upload_that_is_aborted_is_gone(client: Client, s3: S3) -> None:
    upload, *parts = begin_checked(client)
    assert client.call("DELETE", query=urlencode({"uploadId": upload})).status == 204
    assert s3.uploads() == []
    assert client.complete(upload, *parts).code == "NoSuchUpload"
    assert client.part(upload, 1, b"b").code == "NoSuchUpload"


def write(client: Client, way: str, **condition: Any) -> Reply:
    if way == "put":
        return client.call("PUT", body=b"new", **condition)
    upload = client.begin()
    return client.complete(upload, client.part(upload, 1, b"new"), **condition)


@pytest.mark.parametrize("way", ["put", "complete"])
def test_a_write_keeps_its_condition(client: Client, way: str) -> None:
    refused = write(client, way, if_match='"0"')
    assert (refused.status, refused.code) == (404, "NoSuchKey")
    assert write(client, way, if_none_match="*").status == 200
    refused = write(client, way, if_none_match="*")
    assert (refused.status, refused.code) == (412, "PreconditionFailed")
    client.call("PUT", body=b"old")
    assert write(client, way, if_match='"0"').code == "PreconditionFailed"
    assert client.stored() == b"old"
    assert write(client, way, if_match=client.call("HEAD").etag).status == 200
    assert client.stored() == b"new"


def test_a_copy_onto_itself_and_a_deletion_keep_theirs(client: Client, s3: S3) -> None:
    etag = client.call("PUT", body=b"film", x_amz_meta_a="1").etag
    source: dict[str, Any] = {
        "x_amz_copy_source": f"/{s3.bucket}/film",
        "x_amz_metadata_directive": "REPLACE",
        "x_amz_meta_a": "2",
    }
    assert client.call("PUT", x_amz_copy_source_if_match='"0"', **source).code == "PreconditionFailed"
    assert client.call("PUT", x_amz_copy_source_if_match=etag, **source).status == 200
    assert client.call("HEAD").headers["x-amz-meta-a"] == "2"
    assert client.call("DELETE", if_match='"0"').code == "PreconditionFailed"
    assert client.stored() == b"film"
    assert client.call("DELETE", if_match=etag).status == 204
    assert client.stored() is None


@pytest.mark.parametrize("way", ["put", "complete"])
def test_of_many_at_once_one_is_the_first(client: Client, way: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: write(client, way, if_none_match="*"), range(8)))
    assert sum(reply.status == 200 for reply in replies) == 1


@pytest.mark.parametrize("way", ["put", "complete"])
def test_a_store_may_ignore_conditions_or_refuse_them(client: Client, s3: S3, way: str) -> None:
    client.call("PUT", body=b"old")
    s3.layer.rules.conditions = "refused"
    refused = write(client, way, if_none_match="*")
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert client.stored() == b"old"
    s3.layer.rules.conditions = "ignored"
    assert write(client, way, if_none_match="*").status == 200
    assert client.stored() == b"new"


def test_temporary_keys_are_given_to_who_has_the_token_until_they_end(client: Client, s3: S3) -> None:
    accounts = s3.layer.accounts
    said = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": ROLE, "WebIdentityToken": "another"}
    assert client.send("POST", "/", urlencode(said).encode()).status == 403
    told = client.send("POST", "/", urlencode({**said, "WebIdentityToken": accounts.web_token}).encode()).body.decode()
    found = [re.findall(f"<{name}>(.*?)<", told)[0] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    client.keys = Keys(*found)
    assert client.call("PUT", body=b"film", x_amz_checksum_crc32c=crc32c(b"film")).status == 200
    assert client.stored() == b"film"
    client.keys = replace(client.keys, token="another")
    assert client.call("GET").status == 400
    client.keys = Keys(*found)
    accounts.end_temporary_keys()
    refused = client.call("GET")
    assert (refused.status, refused.code) == (400, "ExpiredToken")


def test_faults_come_as_often_as_ordered(client: Client, s3: S3) -> None:
    s3.layer.faults.add("put", times=2, **s3_faults.SLOW_DOWN)
    for _ in range(2):
        refused = client.call("PUT", body=b"film")
        assert (refused.status, refused.code) == (503, "SlowDown")
    assert client.stored() is None
    assert client.call("PUT", body=b"film").status == 200
    assert s3.layer.kinds() == ["put", "put", "get", "put"]


def test_a_reply_is_lost_after_the_work(client: Client, s3: S3) -> None:
    s3.layer.faults.add("put", cut=True, after=True)
    with pytest.raises((HTTPException, OSError)):
        client.call("PUT", body=b"film")
    assert client.stored() == b"film"


def test_a_body_is_cut(client: Client, s3: S3) -> None:
    s3.layer.faults.add("put", cut=True, keep=MIB)
    with pytest.raises((HTTPException, OSError)):
        client.call("PUT", body=PART)
    assert client.stored() is None


@pytest.mark.parametrize("after", [False, True])
def test_a_completion_is_told_as_done_with_an_error_inside(client: Client, s3: S3, after: bool) -> None:
    upload = client.begin()
    part = client.part(upload, 1, b"film")
    s3.layer.faults.add("complete", inside=True, after=after, **s3_faults.INTERNAL)
    reply = client.complete(upload, part)
    assert (reply.status, reply.code) == (200, "InternalError")
    assert client.stored() == (b"film" if after else None)


def test_a_part_arrives_twice(client: Client, s3: S3) -> None:
    upload = client.begin()
    s3.layer.faults.add("part", twice=True)
    part = client.part(upload, 1, b"film")
    assert client.complete(upload, part).status == 200
    assert client.stored() == b"film"


def test_a_damaged_body_is_found_by_its_checksum(client: Client, s3: S3) -> None:
    """By that of the whole where the part's own was not looked at, as by a store that writes something else."""
    upload = client.begin(x_amz_checksum_algorithm="CRC32C", x_amz_checksum_type="FULL_OBJECT")
    s3.layer.faults.add("part", corrupt=True)
    damaged = client.part(upload, 1, b"film", x_amz_checksum_crc32c=crc32c(b"film"))
    if s3.layer.is_strict:
        assert damaged.code == "BadDigest"
    else:
        whole = {"x_amz_checksum_type": "FULL_OBJECT", "x_amz_checksum_crc32c": crc32c(b"film")}
        assert client.complete(upload, damaged, **whole).code == "BadDigest"
    assert client.stored() is None


def test_a_request_is_held(client: Client, s3: S3) -> None:
    gate = s3.layer.faults.hold("put")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.call, "PUT", body=b"film")
        assert gate.reached.wait(30)
        assert client.stored() is None
        gate.open()
        assert held.result().status == 200


def test_objects_are_as_old_as_a_test_says(client: Client, s3: S3) -> None:
    client.call("PUT", body=b"film")
    s3.layer.older["film"] = 86400
    listed = client.call("GET", "", query="list-type=2").body.decode()
    (told,) = re.findall("<LastModified>(.*?)</LastModified>", listed)
    for time in (datetime.fromisoformat(told), parsedate_to_datetime(client.call("HEAD").headers["last-modified"])):
        assert timedelta(days=1) <= datetime.now(UTC) - time < timedelta(days=1, minutes=2)
