"""Links to a folder's files, as the api resolves them."""

import pytest
from pydantic import SecretStr

from support.sources import put, taken_apart
from unit.common.bucket.conftest import KEY
from vidferry_common.bucket import (
    BucketError,
    FolderBucket,
    LinkExpired,
    LinkInvalid,
    ObjectNotFound,
    StorageDenied,
    content_disposition,
)
from vidferry_common.bucket.folder.links import LinkSigner

pytestmark = pytest.mark.anyio

NAME = "videos/generic/例え.jp/a b+c%20=1/best"


async def test_a_link_opens_its_object_in_ranges(folder: FolderBucket) -> None:
    stored = await put(folder, b"0123456789", NAME, filename="فيلم.mp4")
    link = await folder.sign_link(stored, 600)
    assert link.url.isascii()
    name, query = taken_apart(link.url)
    assert name == NAME
    opened = await folder.open_link(name, query)
    with opened.file as file:
        file.seek(2)
        assert file.read(4) == b"2345"
    assert opened.stored == stored
    assert "filename*=UTF-8''%D9%81" in content_disposition(opened.stored.filename)


async def test_a_link_saves_its_object_under_another_name(folder: FolderBucket) -> None:
    """As where a video that is stored has another title by now."""
    stored = await put(folder, b"film", NAME, filename="Old name.mp4")
    name, query = taken_apart((await folder.sign_link(stored, 600, 'New "name"/2 – 動画.mp4')).url)
    opened = await folder.open_link(name, query)
    opened.file.close()
    assert opened.stored.filename == "New name_2 – 動画.mp4"
    for changed in ({"filename": "Virus.exe"}, {"filename": ""}):
        with pytest.raises(LinkInvalid):
            await folder.open_link(name, query | changed)
    del query["filename"]
    with pytest.raises(LinkInvalid):
        await folder.open_link(f"{opened.stored.filename}\n{name}", query)


async def test_a_link_carries_no_name_that_is_the_objects_own(folder: FolderBucket) -> None:
    stored = await put(folder, b"film", NAME, filename="Ein Film.mp4")
    for filename in ("", "Ein Film.mp4"):
        link = await folder.sign_link(stored, 600, filename)
        assert "filename" not in link.url
    name, query = taken_apart(link.url)
    with pytest.raises(LinkInvalid):
        await folder.open_link(name, query | {"filename": "Virus.exe"})


async def test_a_link_ends_at_its_time(folder: FolderBucket) -> None:
    link = await folder.sign_link(await put(folder, b"film"), 600)
    name, query = taken_apart(link.url)
    ends = link.expires_at.timestamp()
    (await folder.open_link(name, query, ends - 1)).file.close()
    with pytest.raises(LinkExpired):
        await folder.open_link(name, query, ends)


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "9999999999"},
        {"generation": "1"},
        {"signature": ""},
        {"signature": "v1."},
        {"signature": "é\ud800"},
        {"generation": "1\n2"},
        {"expires": "٣"},
        {"name": "videos/other"},
        {"name": "../../etc/passwd"},
        {"name": "\ud800"},
    ],
)
async def test_a_changed_link_is_invalid(folder: FolderBucket, change: dict[str, str]) -> None:
    await put(folder, b"film", "videos/other")
    name, query = taken_apart((await folder.sign_link(await put(folder, b"film"), 600)).url)
    changed = {"name": name, **query, **change}
    with pytest.raises(LinkInvalid):
        await folder.open_link(changed.pop("name"), changed)


@pytest.mark.parametrize("missing", ["expires", "generation", "signature"])
async def test_a_link_with_a_part_missing_is_invalid(folder: FolderBucket, missing: str) -> None:
    name, query = taken_apart((await folder.sign_link(await put(folder, b"film"), 600)).url)
    del query[missing]
    with pytest.raises(LinkInvalid):
        await folder.open_link(name, query)


async def test_a_changed_link_says_nothing_about_its_end(folder: FolderBucket) -> None:
    """Else a stranger could ask what exists."""
    name, query = taken_apart((await folder.sign_link(await put(folder, b"film"), 600)).url)
    with pytest.raises(LinkInvalid):
        await folder.open_link(name, {**query, "expires": "1"})


async def test_another_key_signs_other_links(folder: FolderBucket) -> None:
    stored = await put(folder, b"film")
    foreign = LinkSigner(SecretStr("x" * 32)).make_link(stored.name, stored.version, 9999999999)
    with pytest.raises(LinkInvalid):
        await folder.open_link(*taken_apart(foreign))
    ours = LinkSigner(SecretStr(KEY)).make_link(stored.name, stored.version, 9999999999)
    (await folder.open_link(*taken_apart(ours))).file.close()


async def test_a_link_to_a_deleted_object(folder: FolderBucket) -> None:
    stored = await put(folder, b"film")
    link = await folder.sign_link(stored, 600)
    await folder.delete(stored.name, stored.version)
    with pytest.raises(ObjectNotFound):
        await folder.open_link(*taken_apart(link.url))


async def test_a_signed_name_still_has_to_be_a_name(folder: FolderBucket) -> None:
    """Should the key ever leak, the folder still can't be left."""
    url = LinkSigner(SecretStr(KEY)).make_link("../../etc/passwd", "1", 9999999999)
    with pytest.raises(BucketError, match="not an object's name"):
        await folder.open_link(*taken_apart(url))


def test_without_a_key_no_link_is_signed_or_taken() -> None:
    signer = LinkSigner(None)
    with pytest.raises(StorageDenied, match="VIDFERRY_SIGNING_KEY"):
        signer.make_link("a", "1", 1)
    with pytest.raises(StorageDenied):
        signer.verify_link("a", {}, 0)
