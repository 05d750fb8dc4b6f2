"""Metadata as headers, or beside the object."""

from datetime import UTC, datetime
from typing import Any

import pytest

from vidferry_common.bucket.s3.records import (
    SHORT,
    ChangedMetadata,
    Described,
    encode_metadata,
    parse_metadata,
)

MADE = datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)


def reply(metadata: dict[str, str], **fields: Any) -> dict[str, Any]:
    given = {"ETag": '"0123-2"', "ContentLength": 5, "ContentType": "video/mp4", "LastModified": MADE}
    return {**given, "Metadata": metadata, **fields}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"title": "短片 – 第一集 🎬", "source": "https://example.com/?a=1&b=ü", "Empty_Key": ""},
        {"title": ' two  spaces,   three, \\\\  backslashes " quotes \r\n\t\x7f and an end '},
    ],
)
def test_what_goes_into_a_header_comes_back(metadata: dict[str, str]) -> None:
    headers, beside = encode_metadata(metadata, "id-1")
    assert beside == b""
    for value in headers.values():
        assert value.isascii()
        assert value.isprintable()
        assert value == " ".join(value.split()), "signatures and proxies may take several spaces for one"
    described = Described.parse("videos/x", reply(headers))
    assert (dict(described.stored.metadata), described.upload_id) == (metadata, "id-1")
    assert not described.has_long_metadata


def test_capitals_in_the_names_of_headers_are_none_of_metadatas() -> None:
    headers, _ = encode_metadata({"a": "b"}, "id-1")
    described = Described.parse("videos/x", reply({name.title(): value for name, value in headers.items()}))
    assert (dict(described.stored.metadata), described.upload_id) == ({"a": "b"}, "id-1")


def test_what_is_too_long_for_headers_goes_beside() -> None:
    metadata = {"title": "ü" * SHORT}
    headers, beside = encode_metadata(metadata, "id-1")
    assert sum(len(key) + len(value) for key, value in headers.items()) < 100
    assert parse_metadata(beside) == metadata
    assert Described.parse("videos/x", reply(headers)).has_long_metadata


@pytest.mark.parametrize("text", ["", "x", "[1]", "7", "null", "[" * 100_000])
def test_metadata_of_other_programs_is_none_of_ours(text: str) -> None:
    assert parse_metadata(text) == {}
    described = Described.parse("videos/x", reply({"vidferry": text, "title": "theirs"}))
    assert (dict(described.stored.metadata), described.upload_id) == ({}, "")


def test_an_object_is_described_by_its_reply() -> None:
    stored = Described.parse("videos/x", reply({}, ChecksumCRC32C="AAAAAA==", ChecksumType="FULL_OBJECT")).stored
    assert (stored.version, stored.size, stored.crc32c) == ("0123-2", 5, "AAAAAA==")
    assert stored.created == int(MADE.timestamp())
    parts = Described.parse("videos/x", reply({}, ChecksumCRC32C="AAAAAA==-2", ChecksumType="COMPOSITE")).stored
    assert parts.crc32c == "", "the checksum of the parts' checksums"


def test_a_change_is_for_one_version_at_one_time() -> None:
    stored = Described.parse("videos/x", reply({"vidferry": '{"a":"b"}'})).stored
    made = ChangedMetadata(stored.version, stored.created, {"a": "c"}, "change-1")
    changed = ChangedMetadata.parse(made.body(), "etag")
    assert changed
    assert changed.apply(stored).metadata == {"a": "c"}
    anew = Described.parse("videos/x", reply({}, LastModified=datetime(2026, 1, 2, tzinfo=UTC))).stored
    assert changed.apply(anew) == anew
    for damaged in (b"", b"[]", b'{"version": 1}', b'{"metadata": [], "version": "", "created": 0, "change": ""}'):
        assert ChangedMetadata.parse(damaged, "etag") is None
