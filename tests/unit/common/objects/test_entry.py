"""What the index says of an object, by what the bucket knows of it."""

import pytest

from vidferry_common.bucket import StoredObject
from vidferry_common.contract.identity import Identity, is_video, object_id, partition_in, partition_of
from vidferry_common.objects.entry import entry_of, parse_expiry
from vidferry_common.store import ObjectEntry

UNSAFE = f"videos/generic/h-{'0' * 40}/x/best-any"
NAME = "videos/youtube/youtube.com/dQw4w9WgXcQ/1080-any"


def stored(name: str = NAME, **metadata: str) -> StoredObject:
    return StoredObject(name, "7", 5, "video/mp4", "", "A film.mp4", metadata, 1.5)


def test_an_id_stays_what_it_was() -> None:
    """Callers keep ids, so no release may change them."""
    assert object_id(NAME) == "c951351c-90a7-5354-98a6-4dbc135512f0"
    assert object_id(NAME.replace("1080", "720")) != object_id(NAME)


def test_what_is_said_of_an_object() -> None:
    found = entry_of(
        stored(title="A film", duration="1.5", site="www.Example.co.uk", expires_at="2027-01-01T01:00:00+01:00"),
        has_thumbnail=True,
    )

    assert found == ObjectEntry(
        NAME, "7", 5, "video/mp4", "A film.mp4", "A film", 1.5, "example.co.uk", 1.5, "2027-01-01T00:00:00.000Z", True
    )
    assert ObjectEntry.parse(b"7", found.arguments()["record"].encode()) == found


@pytest.mark.parametrize(
    ("name", "metadata", "site"),
    [
        (NAME, {}, "youtube.com"),
        (NAME, {"site": "media.example.org:8080"}, "example.org"),
        (UNSAFE, {"source": "http://a.b.org:81/"}, "b.org"),
        (UNSAFE, {"source": "http://["}, ""),
        (UNSAFE, {}, ""),
    ],
)  # fmt: skip
def test_the_site(name: str, metadata: dict[str, str], site: str) -> None:
    """As the worker wrote it; of what 0.2.0 has stored, as the name or the source says."""
    assert entry_of(stored(name, **metadata), has_thumbnail=False).site == site


def test_an_expiry_that_is_none() -> None:
    for text in ("", "x", "2027-01-01", "2027-01-01T00:00:00", "1e9", "\x00"):
        assert parse_expiry(text) is None


def test_the_partition_is_in_the_name() -> None:
    identity = Identity("generic", "example.org", "a@b/c d")
    for owner in ("", "team-a", "a@b.example"):
        assert partition_in(identity.object_name("best-any", partition_of(owner))) == partition_of(owner)
    assert is_video(NAME)
    for other in ("videos/youtube/youtube.com/x/thumbnail", "videos/a/b/best-any", "x/a/b/c/best-any"):
        assert not is_video(other)
