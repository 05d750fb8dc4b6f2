"""What somebody gives as the address of a video although it is none: no video is there, which is said at once."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from support import made
from support.children import download
from support.made import picture, sound
from support.origin import media
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.document_sniff import is_document, is_not_video
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 100
JSON = b'{"title": "A clip", "files": [{"url": "https://example.com/clip.mp4"}]}'
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(5000)
NOISE = bytes(range(256)) * 64
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("clip.mp4"), bytes(5000))
    return file.getvalue()


def packed() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("clip.mp4"))
    return file.getvalue()


@pytest.mark.parametrize(
    "head",
    [PDF, zipped(), packed(), gzip.compress(b"x", mtime=0), JPEG, b"\x89PNG\r\n\x1a\n", WEBP, HEIC,
     b"\0\0\1\0\2\0\x10\x10\0\0\1\0 \0",
     b"MZ\x90\0", b"\x7fELF\2\1\1", b"Rar!\x1a\7\1\0", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
    ids=lambda head: repr(head[:8]),
)  # fmt: skip
def test_documents_are_known(head: bytes) -> None:
    assert is_document(head)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.avi", "a.flv", "a.wmv", "a.gif"])
def test_videos_are_none(name: str) -> None:
    assert not is_not_video(made.file(name, *picture()))


def test_a_video_that_begins_in_its_middle_is_none() -> None:
    whole = made.file("a.m1v", *picture(rate=25), "-c:v", "mpeg1video")
    assert not is_not_video(whole[whole.index(b"\0\0\1\0") :])


@pytest.mark.parametrize("name", ["a.mp3", "a.aac", "a.flac", "a.wav", "a.aiff", "a.caf", "a.ac3", "a.opus", "a.au"])
def test_sound_is_none(name: str) -> None:
    assert not is_not_video(made.file(name, *sound()))


def test_what_may_lead_to_a_video_is_not_given_up() -> None:
    assert is_not_video(JSON)
    assert not is_not_video(b"#EXTM3U\n#EXTINF:1,\nx.ts\n")
    assert not is_not_video(b"[playlist]\nFile1=http://example.com/a.mp3\n")


@pytest.mark.parametrize("fmt", ["1080-any", "best-mkv", "audio-any", "audio-mp3"])
@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("manual.pdf", PDF, "application/pdf"),
        ("clips.zip", zipped(), "application/zip"),
        ("thumb.jpg", JPEG, "image/jpeg"),
        ("clip.json", JSON, "application/json"),
        ("noise.bin", NOISE, "application/octet-stream"),
    ],
    ids=["pdf", "zip", "jpeg", "json", "noise"],
)
async def test_no_video_is_found_at_a_document(
    name: str, data: bytes, media_type: str, fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.put(f"/{name}", File(name, data, media_type=media_type)), fmt)

    assert outcome.failure == ErrorCode.UNSUPPORTED_SITE, outcome.events[-1]
    if data is not NOISE:
        assert outcome.of("found") == []
        assert len(site.requests(f"/{name}")) == 1, "nothing of it is fetched but what says what it is"


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("report.mp4", PDF, "video/mp4"),
        ("clip.txt", b"Sorry, this clip was removed in 2019.\n", "text/plain"),
        ("install.sh", b"#!/bin/sh\necho hello\n", "application/x-sh"),
        ("data.csv", b"a,b\n1,2\n", "text/csv"),
        ("app.exe", b"MZ\x90\0" + bytes(5000), "application/octet-stream"),
        ("photo.heic", HEIC + bytes(5000), "application/octet-stream"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_whatever_its_type_and_its_name_say(
    name: str, data: bytes, media_type: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.put(f"/{name}", File(name, data, media_type=media_type)))

    assert outcome.failure == ErrorCode.UNSUPPORTED_SITE, outcome.events[-1]


async def test_a_playlist_in_the_guise_of_whatever_is_not_given_to_ffmpeg(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    concat = File("clip.bin", b"ffconcat version 1.0\nfile /etc/passwd\n", media_type="application/octet-stream")
    outcome = await download(zygote, tmp_path, site.put("/clip.bin", concat))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert "is a playlist" in outcome.events[-1]["detail"]


@pytest.mark.parametrize("media_type", ["application/octet-stream", "text/plain", "application/zip", "image/jpeg"])
async def test_a_video_is_one_whatever_its_type_says(
    media_type: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    url = site.put("/clip", File("clip", media.read("tiny.mp4"), media_type=media_type))
    outcome = await download(zygote, tmp_path, url)

    assert outcome.file.stat().st_size == len(media.read("tiny.mp4"))
