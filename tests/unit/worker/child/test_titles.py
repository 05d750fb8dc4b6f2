"""What a video is called."""

import pytest

from vidferry_worker.child import titles


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("https://a.example/films/My-Film.mp4", "My-Film"),
        ("https://a.example/films/My%20Film.%20Part%202/index.m3u8?token=x.y", "My Film. Part 2"),
        ("https://a.example/films/%E6%BD%AE/master.m3u8", "潮"),
        ("https://a.example/My-Film/720p/playlist.m3u8", "My-Film"),
        ("https://a.example/My-Film/hls/1080/index-v1-a1.m3u8", "My-Film"),
        ("https://a.example/vod/_definst_/smil:My-Film.smil/chunklist_b1200000.m3u8", "My-Film"),
        ("https://a.example/vod/My-Film.mp4/playlist.m3u8", "My-Film"),
        ("https://a.example/hls/My-Film,_360,_720,.mp4.urlset/master.m3u8", "My-Film"),
        ("https://a.example/My-Film.ism/Manifest(format=m3u8-aapl)", "My-Film"),
        ("https://a.example/My-Film/manifest.mpd", "My-Film"),
        ("https://a.example/stream.php?file=films/My-Film.mp4", "My-Film"),
        ("https://a.example/download?id=3&filename=My%20Film", "My Film"),
        ("https://a.example/films/my-film/", "my-film"),
        ("https://a.example/films/my-film.html", "my-film"),
        ("https://a.example/Dr.%20No", "Dr. No"),
        ("https://a.example/a%2Fb.mp4", "a/b"),
        ("https://a.example/clip.mp4", "clip"),
        ("https://a.example/clip (1).mp4", "clip (1)"),
        ("https://a.example/clip.gif", "clip"),
        ("https://a.example/song.ape", "song"),
        ("https://a.example/My.Film.H.264.mkv", "My.Film.H.264"),
        ("https://a.example/view?site=shop.au", "view"),
        ("https://a.example/index.m3u8", "index"),
        ("https://a.example/", ""),
        ("https://[broken", ""),
    ],
)
def test_by_the_address(address: str, title: str) -> None:
    assert titles.title_from_url(address) == title


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ('attachment; filename="My Film.mp4"', "My Film"),
        ("attachment; filename=film.webm", "film"),
        ("inline;filename = film.mp4 ; size=3", "film"),
        ("attachment; filename=\"film.mp4\"; filename*=UTF-8''Ebbe%20%26%20Flut.mp4", "Ebbe & Flut"),
        ("attachment; filename*=iso-8859-1'de'M%E4rchen.mp4", "Märchen"),
        (r'attachment; filename="a \"b\".mp4"', 'a "b"'),
        ('attachment; filename="M\xc3\xa4rchen.mp4"', "Märchen"),
        ('attachment; filename="M\xe4rchen.mp4"', "Märchen"),
        ('attachment; filename="My%20Film.mp4"', "My Film"),
        ('attachment; filename="=?utf-8?B?TcOkcmNoZW4=?="', "Märchen"),
        ('attachment; filename="../../etc/film.mp4"', "film"),
        ('attachment; filename="a; filename=b.mp4"', "a; filename=b"),
        ("attachment; filename*=nonsense''%41.mp4", ""),
        ("attachment", ""),
        ("", ""),
    ],
)
def test_by_content_disposition(header: str, title: str) -> None:
    """RFC 6266, and what servers send besides."""
    assert titles.title_from_disposition(header) == title


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("index", "My Film"), "My Film"),
        (("", "Video", "My Film"), "My Film"),
        (("Untitled Document", "Download"), "Untitled Document"),
        (("My\n  Film ", "x"), "My Film"),
        (("Index of peace",), "Index of peace"),
        (("",), ""),
        (("x" * 1000,), "x" * titles.MAX_TITLE),
    ],
)
def test_the_first_name_that_says_something(names: tuple[str, ...], title: str) -> None:
    assert titles.choose_title(*names) == title
