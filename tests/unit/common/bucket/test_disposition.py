"""File names in headers, read by a parser that is not ours."""

from email.message import Message

import pytest

from vidferry_common.bucket import content_disposition
from vidferry_common.bucket.disposition import FILENAME_BYTES, clean_filename, filename_of


def _parsed(header: str) -> Message:
    message = Message()
    message["Content-Disposition"] = header
    return message


@pytest.mark.parametrize(
    "filename",
    [
        "A film.mp4",
        "فيلم قصير.mp4",
        "短片.mp4",
        "🎬👩‍👩‍👧.webm",
        "100% *real*; x='1', (a) [b] {c}=d.mp4",
        "naïve café.mkv",
        "می‌خواهم.mp4",
    ],
)
def test_a_parser_reads_the_same_name(filename: str) -> None:
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert _parsed(header.replace('filename="', 'ignored="')).get_filename() == filename
    assert filename_of(header) == filename


@pytest.mark.parametrize(
    ("filename", "fallback"),
    [
        ("naïve café.mkv", "naive cafe.mkv"),
        ("短片.mp4", "video.mp4"),
        ("短片 2.mp4", "__ 2.mp4"),
        ("100%.mp4", "100_.mp4"),
        ("短片", "video"),
    ],
)
def test_old_clients_get_ascii(filename: str, fallback: str) -> None:
    plain = content_disposition(filename).split(";")[1]
    assert plain == f' filename="{fallback}"'


@pytest.mark.parametrize(
    ("filename", "clean"),
    [
        ('a"b.mp4', "ab.mp4"),
        ("a\r\nSet-Cookie: x=1\0.mp4", "aSet-Cookie: x=1.mp4"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\\b.mp4", "a_b.mp4"),
        ("photo\u202e4pm.exe", "photo4pm.exe"),
        ("\ud800x.mp4", "x.mp4"),
        ("  .hidden  name.mp4 ", "hidden name.mp4"),
        ("e\u0301.mp4", "é.mp4"),
        ('"\n', ""),
    ],
)
def test_what_breaks_or_deceives_is_taken_out(filename: str, clean: str) -> None:
    assert clean_filename(filename) == clean
    assert clean_filename(clean) == clean
    header = content_disposition(filename)
    assert header.count('"') in {0, 2}
    assert header.isprintable()


@pytest.mark.parametrize("char", ["a", "ü", "短", "🎬"])
@pytest.mark.parametrize("end", [".mp4", "", ".not really an extension"])
def test_long_names_are_cut_between_characters(char: str, end: str) -> None:
    clean = clean_filename(char * 300 + end)
    assert FILENAME_BYTES - 4 <= len(clean.encode()) <= FILENAME_BYTES
    kept = end if end == ".mp4" else ""
    assert clean.endswith(kept)
    assert set(clean.removesuffix(kept)) == {char}


def test_no_name_is_only_attachment() -> None:
    assert content_disposition("") == "attachment"
    assert filename_of("attachment") == filename_of(None) == filename_of('attachment; filename="x"') == ""
