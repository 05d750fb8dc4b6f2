"""Downloads of what a page embeds, with what its server asks of a browser."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from support import made
from support.children import Outcome, download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import Reply, text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.page import frames
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
ENCRYPTED = ("-hls_enc", "1", "-hls_enc_key", "0123456789abcdef", "-hls_enc_key_url", "key.bin")
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".mpd": "application/dash+xml"}


def clip(lines: int = 240) -> File:
    return File("clip.mp4", made.clip(size=f"{lines * 4 // 3}x{lines}", seconds=1), media_type="video/mp4")


def page(content: str) -> Reply:
    return text(f"<html><head><title>Harbour</title>{content}</head></html>", "html")


def put_hls(site: Site, folder: str, guarded: Callable[[File], Answer]) -> None:
    """A list of encrypted segments in a folder, each answered as guarded makes it."""
    words = (*made.picture(), *made.sound(), *made.X264, *made.AAC, "-f", "hls", "-hls_time", "1", *ENCRYPTED)
    for path in made.folder(*words, "-hls_playlist_type", "vod", "index.m3u8").iterdir():
        media_type = TYPES.get(path.suffix, "application/octet-stream")
        site.put(f"{folder}/{path.name}", guarded(File(path.name, path.read_bytes(), media_type=media_type)))


def height(outcome: Outcome) -> int:
    return next(int(each["height"]) for each in ffprobe(outcome.file)["streams"] if each["codec_type"] == "video")


@pytest.mark.parametrize(
    ("content", "right"),
    [
        ("<video controls src='clip.mp4#t=0.001'></video>", 240),
        ("<video src='stream.php?id=3'></video>", 240),
        (
            "".join(
                f"<meta property='og:video' content='{lines}.mp4'><meta property='og:video:height' content='{lines}'>"
                for lines in (144, 360, 240)
            ),
            360,
        ),
    ],
    ids=["fragment", "script", "og-several"],
)
async def test_a_page_is_downloaded(content: str, right: int, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    for name, lines in (("clip.mp4", 240), ("stream.php", 240), ("144.mp4", 144), ("240.mp4", 240), ("360.mp4", 360)):
        site.put(f"/{name}", clip(lines))
    url = site.put("/page", page(content))
    outcome = await download(zygote, tmp_path, url)

    assert height(outcome) == right
    (found,) = outcome.of("found")
    assert (found["title"], found["identity"]["video_id"]) == ("Harbour", url)


@pytest.mark.parametrize("name", ["clip.mp4%23t=0.001", "stream.php?id=3"])
async def test_an_address_alone(name: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.put("/clip.mp4", clip())
    site.put("/stream.php", clip())

    assert height(await download(zygote, tmp_path, site.url(f"/{name.replace('%23', '#')}"))) == 240


@pytest.mark.parametrize(
    ("media_type", "name"), [("video/mp4", None), ("application/octet-stream", "film.mp4")], ids=["type", "name"]
)
async def test_what_a_script_sends_is_what_its_server_says(
    media_type: str, name: str | None, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """By which a container that is asked for is chosen."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    url = site.put("/stream.php", replace(clip(), media_type=media_type, headers=headers))
    outcome = await download(zygote, tmp_path, f"{url}?id=3", "best-mp4")

    assert height(outcome) == 240


@pytest.mark.parametrize("path", ["/page", "/stream.php"])
def test_yt_dlp_refuses_such_endings_by_itself(path: str, site: Site, tmp_path: Path) -> None:
    site.put("/page", page("<video controls src='clip.mp4#t=0.001'></video>"))
    site.put("/clip.mp4", clip())
    site.put("/stream.php", clip())

    assert "is unusual and will be skipped" in yt_dlp(tmp_path, site.url(path)).stderr


async def test_what_a_page_embeds_is_asked_for_with_the_page_as_referer(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """The list, its key and its segments."""
    url = site.put("/page", page("<video><source src='v/index.m3u8' type='application/x-mpegURL'></video>"))

    def guarded(file: File) -> Answer:
        return lambda request: file if request.headers.get("referer") == url else Reply(403)

    put_hls(site, "/v", guarded)

    assert height(await download(zygote, tmp_path, url)) == 240
    assert {one.path for one in site.requests("/v/")} >= {"/v/index.m3u8", "/v/key.bin", "/v/index0.ts"}
    assert "403" in yt_dlp(tmp_path, url).stderr


async def test_a_list_leads_to_another_site_without_telling_it_the_page(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    other = site.url("/v/").replace("127.0.0.1", "localhost")

    def elsewhere(file: File) -> File:
        return replace(file, data=re.sub(rb"index\d+\.ts|key\.bin", other.encode() + rb"\g<0>", file.data))

    put_hls(site, "/v", lambda file: elsewhere(file) if file.name.endswith("m3u8") else file)
    url = site.put("/page", page("<video src='v/index.m3u8'></video>"))

    assert height(await download(zygote, tmp_path, url)) == 240
    told = {one.path: one.headers.get("referer") for one in site.requests("/v/")}
    root = f"{url.partition('/u/')[0]}/"
    assert told == {"/v/index.m3u8": url, "/v/key.bin": root, "/v/index0.ts": root, "/v/index1.ts": root}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", "ORIGIN/"),
        ("<meta name=referrer content=no-referrer>", None),
        ("<meta name=referrer content=unsafe-url>", "ORIGIN/page"),
    ],
)
async def test_another_site_is_told_no_more_than_browsers_tell(
    head: str, expected: str | None, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    site.put("/clip.mp4", clip())
    other = site.url("/clip.mp4").replace("127.0.0.1", "localhost")
    url = site.put("/page", page(f"{head}<video src='{other}'></video>"))
    root = url.partition("/u/")[0]
    outcome = await download(zygote, tmp_path, url)

    assert height(outcome) == 240
    told = {one.headers.get("referer") for one in site.requests("/clip.mp4")}
    assert told == {expected and expected.replace("ORIGIN/page", url).replace("ORIGIN", root)}


async def test_the_referer_outlives_a_redirect(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Of what JSON-LD names, as of what a player names."""
    data = {"@context": "https://schema.org", "@type": "VideoObject", "contentUrl": "go"}
    url = site.put("/page", page(f"<script type='application/ld+json'>{json.dumps(data)}</script>"))
    site.put("/go", Reply(302, {"Location": site.url("/clip.mp4"), "Content-Length": "0"}))
    site.put("/clip.mp4", lambda request: clip() if request.headers.get("referer") == url else Reply(403))

    assert height(await download(zygote, tmp_path, url)) == 240


@pytest.mark.parametrize(
    "lead",
    [
        '<meta http-equiv="refresh" content="0; url=FORGED">',
        '<meta name="twitter:player" content="FORGED">',
        '<meta property="og:video" content="FORGED">',
        '<iframe src="FORGED"></iframe>',
        """<script type="application/ld+json">
        {"@context": "https://schema.org", "@type": "VideoObject", "embedUrl": "FORGED"}</script>""",
        "Refresh",
        "Location",
    ],
    ids=["meta", "twitter", "og", "iframe", "json-ld", "header", "redirect"],
)
@pytest.mark.parametrize("mark", ["__youtubedl_smuggle", "__youtubedl&#95;smuggle"])
async def test_a_page_forges_nothing_of_yt_dlps_own(
    mark: str, lead: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """What it hands on to itself within an address."""
    data = quote(json.dumps({"referer": "http://other.invalid/"}))
    forged = site.put("/clip.mp4", clip()) + f"#{mark}={data}"
    if lead == "Location":
        answer = Reply(302, {"Location": forged, "Content-Length": "0"})
    elif lead == "Refresh":
        answer = page("")
        answer = replace(answer, headers={**answer.headers, "Refresh": f"0; url={forged}"})
    else:
        answer = page(lead.replace("FORGED", forged))

    await download(zygote, tmp_path, site.put("/page", answer))
    asked = site.requests("/clip.mp4")
    assert asked
    assert "http://other.invalid/" not in {one.headers.get("referer") for one in asked}


async def test_a_page_within_the_page_is_told_of_it(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """And what that one embeds is told of that one; the title is the outer page's."""
    url = site.put("/page", page("<iframe src='player?id=3'></iframe>"))
    inner = site.put("/player", text("<title>Player</title><video src='clip.mp4'></video>", "html")) + "?id=3"
    site.put("/clip.mp4", clip())
    outcome = await download(zygote, tmp_path, url)

    (found,) = outcome.of("found")
    assert (height(outcome), found["title"], found["identity"]["video_id"]) == (240, "Harbour", url)
    assert [one.headers.get("referer") for one in site.requests("/player")] == [url]
    assert {one.headers.get("referer") for one in site.requests("/clip.mp4")} == {inner}


async def test_a_feed_gives_its_first_entry_with_sound(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    song = made.file("song.mp3", *made.sound(), "-c:a", "libmp3lame")
    site.put("/song.mp3", File("song.mp3", song, media_type="audio/mpeg"))
    entries = "<entry><title>News</title><link href='news'/></entry><entry><title>Ebb</title>{}</entry>"
    link = "<link rel='enclosure' type='audio/mpeg' href='song.mp3'/>"
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Tides</title>{entries.format(link)}</feed>"
    outcome = await download(zygote, tmp_path, site.put("/feed", text(feed, "application/atom+xml")))

    (found,) = outcome.of("found")
    assert (found["title"], [each["codec_name"] for each in ffprobe(outcome.file)["streams"]]) == ("Ebb", ["mp3"])


async def test_pages_within_pages_end(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Each with more of them, which lead back."""
    for number in range(10):
        site.put(f"/{number}", page("".join(f"<iframe src='{each}'></iframe>" for each in range(10))))

    assert (await download(zygote, tmp_path, site.url("/0"))).failure == ErrorCode.UNSUPPORTED_SITE
    assert len(site.requests()) <= 1 + frames.MAX_FRAMES + frames.MAX_FRAMES**2


@pytest.mark.parametrize(("status", "code"), [(403, ErrorCode.REFUSED), (404, ErrorCode.UNAVAILABLE)])
async def test_the_failure_of_the_only_list_is_the_pages(
    status: int, code: ErrorCode, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    site.put("/list.m3u8", Reply(status))
    url = site.put("/page", page("<video src='list.m3u8'></video>"))

    assert (await download(zygote, tmp_path, url)).failure == code


@pytest.mark.parametrize(
    ("path", "disposition", "title"),
    [
        ("/films/My-Film.mp4", None, "My-Film"),
        ("/films/a1b2.mp4", 'attachment; filename="Low tide.mp4"', "Low tide"),
        ("/download", "attachment; filename*=UTF-8''Ebbe%20%26%20Flut.mp4", "Ebbe & Flut"),
        ("/films/My-Film/download.mp4", 'attachment; filename="download.mp4"', "My-Film"),
    ],
)
async def test_a_file_without_a_page(
    path: str, disposition: str | None, title: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    url = site.put(path, File("clip.mp4", clip().data, media_type="video/mp4", headers=headers))

    (found,) = (await download(zygote, tmp_path, url)).of("found")
    assert found["title"] == title


async def test_a_list_is_called_as_its_folder(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_hls(site, "/My Film. Part 2/720p", lambda file: file)
    outcome = await download(zygote, tmp_path, site.url("/My%20Film.%20Part%202/720p/index.m3u8"))

    (found,) = outcome.of("found")
    assert (found["title"], height(outcome)) == ("My Film. Part 2", 240)
