"""What a download makes of lists and of pages with several videos, and what a child lists of them for a batch."""

import json
from pathlib import Path
from typing import Any

import pytest

from support import made
from support.children import Outcome, download, list_videos
from support.origin.files import File
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Reply, text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.protocol import ListedEntry, VideosListed
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
WAVE = "\U0001f30a"
NAMES = ("a.mp4", "b.mp4", "c.mp4")
XSPF = '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>{}</trackList></playlist>'


def page(content: str) -> Reply:
    return text(f"<html><head><title>Harbour</title>{content}</head></html>", "html")


def feed(items: str) -> Reply:
    return text(f'<?xml version="1.0"?><rss version="2.0"><channel><title>Piers</title>{items}</channel></rss>', "xml")


def item(name: object, more: str = "") -> str:
    return f"<item><title>Pier {name}</title><enclosure url='v/{name}' type='video/mp4'/>{more}</item>"


def video_object(site: Site, name: str) -> str:
    return f'{{"@type": "VideoObject", "name": "Pier", "contentUrl": "{site.url("/" + name)}"}}'


def pages(site: Site) -> dict[str, str]:
    """Pages with three videos, as the sites make them."""
    graph = ",".join(video_object(site, name) for name in NAMES)
    data = f'{{"@context": "https://schema.org", "@graph": [{graph}]}}'
    files = ",".join(f"{{file: '{name}', title: 'Pier'}}" for name in NAMES)
    return {
        "players": "".join(f"<video src='{name}'></video>" for name in NAMES),
        "json-ld": f'<script type="application/ld+json">{data}</script>',
        "jwplayer": f"<script>jwplayer('p').setup({{playlist: [{files}]}})</script>",
        "jwplayers": "".join(
            f"<script>jwplayer('p').setup({{width: 3, file: '{name}'}})</script>" for name in reversed(NAMES)
        ),
    }


@pytest.mark.parametrize("kind", ["players", "json-ld", "jwplayer", "jwplayers"])
async def test_a_page_with_several_videos_gives_the_first_and_names_the_others(
    kind: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Without a request for them."""
    for name in NAMES:
        site.put(f"/{name}", File(name, made.clip(seconds=1), media_type="video/mp4"))
    outcome = await download(zygote, tmp_path, site.put("/page", page(pages(site)[kind])))

    (found,) = outcome.of("found")
    assert outcome.file.read_bytes() == made.clip(seconds=1)
    assert (found["videos"], sorted(found["other_urls"])) == (3, [site.url("/b.mp4"), site.url("/c.mp4")])
    assert {one.path for one in site.requests()} == {"/page", "/a.mp4"}


async def test_pages_within_a_page_are_videos_of_it(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Those that are like the one with the video: an advertisement is another page."""
    frames = "".join(f"<iframe src='{src}'></iframe>" for src in ("player/?id=1", "player/?id=2", "other/video"))
    site.put("/player/", page("<video src='../a.mp4'></video>"))
    site.put("/a.mp4", File("a.mp4", made.clip(seconds=1), media_type="video/mp4"))
    (found,) = (await download(zygote, tmp_path, site.put("/page", page(frames)))).of("found")

    assert (found["videos"], found["other_urls"]) == (2, [site.url("/player/?id=2")])


async def test_a_page_with_one_video_has_no_others(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Also if the same video stands there twice."""
    site.put("/a.mp4", File("a.mp4", made.clip(seconds=1), media_type="video/mp4"))
    url = site.put("/page", page("<video src='a.mp4'></video><video src='a.mp4#t=1'></video>"))
    (found,) = (await download(zygote, tmp_path, url)).of("found")

    assert (found["videos"], found["other_urls"]) == (1, [])


def refused_with(outcome: Outcome) -> tuple[str | None, Any]:
    return outcome.failure, outcome.events[-1].get("entries")


async def test_the_url_of_a_list_is_refused_with_the_number_of_its_videos(
    zygote: Zygote, origin: Origin, site: Site, tmp_path: Path
) -> None:
    """None of which is asked for. What stands there twice counts once."""
    tracks = "".join(f"<track><location>{site.url('/' + name)}</location></track>" for name in NAMES)
    urls = [
        site.put("/rss", feed("".join(map(item, (*NAMES, *NAMES))))),
        site.put("/pages", feed("".join(f"<item><link>{site.url('/' + name)}</link></item>" for name in NAMES))),
        site.put("/xspf", text(XSPF.format(tracks), "xml")),
        site.put("/folder/", page("".join(f"<a href='{name}'>{name}</a>" for name in NAMES))),
        f"{origin.address}/Mediasite/Catalog/Full/{'c' * 32}?videos=3&repeated=3",
    ]
    for number, url in enumerate(urls):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert refused_with(await download(zygote, folder, url)) == (ErrorCode.PLAYLIST, 3), url
    assert {one.path for one in site.requests()} == {"/rss", "/pages", "/xspf", "/folder/"}


async def test_a_list_of_one_is_its_video(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.put("/v/a.mp4", File("a.mp4", made.clip(seconds=1), media_type="video/mp4"))
    outcome = await download(zygote, tmp_path, site.put("/rss", feed(item("a.mp4"))))

    assert outcome.of("found")[0]["title"] == "Pier a.mp4"
    assert outcome.file.read_bytes() == made.clip(seconds=1)


def entries_of(listed: list[VideosListed]) -> list[ListedEntry]:
    return [entry for one in listed for entry in one.entries]


async def test_a_thousand_are_listed_in_order_and_the_first_at_once(
    zygote: Zygote, origin: Origin, site: Site, tmp_path: Path
) -> None:
    numbers = [f"{number}.mp4" for number in range(1000)]
    items = [item(name) for name in numbers]
    lists = {
        site.put("/rss", feed("".join([*items, *items[:100]]))): "Piers",
        site.put("/folder/", page("".join(f"<a href='../v/{name}'>{name}</a>" for name in numbers))): "Harbour",
        site.put("/list.m3u", text("".join(["#EXTM3U\n", *(f"v/{name}\n" for name in numbers)]), "audio/mpegurl")): "",
    }
    for url, title in lists.items():
        listed = await list_videos(zygote, tmp_path, url)
        assert [entry.url for entry in entries_of(listed)] == [site.url(f"/v/{name}") for name in numbers], url
        assert (len(listed[0].entries), listed[0].title, listed[-1].done) == (1, title, True)
    players = site.put("/page", page("".join(f"<video src='v/{name}'></video>" for name in numbers)))
    listed = await list_videos(
        zygote, tmp_path, players
    )  # the first one by its page, which has its title and asks for it
    assert [entry.url for entry in entries_of(listed)] == [players, *(site.url(f"/v/{name}") for name in numbers[1:])]
    catalog = await list_videos(zygote, tmp_path, f"{origin.address}/Mediasite/Catalog/Full/{'d' * 32}?videos=1000")
    assert [entry.url for entry in entries_of(catalog)] == [
        f"{origin.address}/Mediasite/Play/{number:032x}" for number in range(1000)
    ]


async def test_what_is_asked_for_of_a_list(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    days = (f"<pubDate>Mon, {day:02} Jun 2026 10:00:00 GMT</pubDate><duration>{day}</duration>" for day in range(1, 10))
    url = site.put("/rss", feed("".join(item(number, more) for number, more in enumerate(days, 1))))

    async def listed(**asked: Any) -> list[str]:
        return [entry.title for entry in entries_of(await list_videos(zygote, tmp_path, url, **asked))]

    assert await listed(items="2-3,8", most=1000) == ["Pier 2", "Pier 3", "Pier 8"]
    assert await listed(newest_first=True, most=2) == ["Pier 9", "Pier 8"]
    assert entries_of(await list_videos(zygote, tmp_path, url, items="4"))[0].duration == 4


async def test_one_video_is_a_list_of_one(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.put("/a.mp4", File("a.mp4", made.clip(seconds=1), media_type="video/mp4"))
    url = site.put("/page", page("<video src='a.mp4'></video>"))

    assert entries_of(await list_videos(zygote, tmp_path, url)) == [ListedEntry(url, "Harbour", None)]


async def test_a_hostile_list_is_bounded(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """In its titles, its URLs and its number; what leads elsewhere than to the web is told as it is, or not at all."""
    long = f"<item><title>{WAVE * 9000}</title><enclosure url='/{'x' * 9000}' type='video/mp4'/></item>"
    other = "<item><title>x</title><enclosure url='file:///etc/passwd' type='video/mp4'/></item>"
    url = site.put("/rss", feed((long + other) * 10 + "".join(item(number) for number in range(6000))))
    entries = entries_of(await list_videos(zygote, tmp_path, url, most=5000))

    assert (len(entries[0].title), len(entries[0].url)) == (500, 4096)
    assert len(entries) <= 5000
    assert not any(entry.url.startswith("file:") for entry in entries)


async def test_a_list_that_is_longer_than_what_is_read_of_it_is_told_as_cut(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Also where fewer videos are found in what is read than a list may have."""
    line, pages = f"#EXTINF:1,{'x' * 2000}\nv/{{}}.mp4\n", "<item><title>x</title></item>" * 5000
    links = "<a href='/about'>x</a>" * 5000
    elements = [{"@type": "ListItem", "url": f"/watch/{number % 9}"} for number in range(5001)]
    json_ld = json.dumps({"@type": "ItemList", "itemListElement": elements})
    long = {
        site.put("/a.m3u", text("#EXTM3U\n" + "".join(map(line.format, range(1100))), "audio/mpegurl")): True,
        site.put("/b.m3u", text("#EXTM3U\n" + "".join(map(line.format, range(900))), "audio/mpegurl")): False,
        site.put("/twice.m3u", text("#EXTM3U\n" + "v/1.mp4\nv/2.mp4\n" * 2501, "audio/mpegurl")): True,
        site.put("/rss", feed(item("1.mp4") + item("2.mp4") + pages)): True,
        site.put("/folder/", page("<a href='1.mp4'>1</a><a href='2.mp4'>2</a>" + links)): True,
        site.put("/list", page(f"<script type='application/ld+json'>{json_ld}</script>")): True,
    }
    for url, is_cut in long.items():
        listed = await list_videos(zygote, tmp_path, url, most=5000)
        assert listed[-1].is_cut is is_cut, url
        assert len(entries_of(listed)) >= 2
        assert all(entry.url.endswith(".mp4") or "/watch/" in entry.url for entry in entries_of(listed)), url


async def test_what_is_no_list_fails_with_its_code(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    for path, code in (("/status/403", ErrorCode.REFUSED), ("/page-empty", ErrorCode.UNSUPPORTED_SITE)):
        with pytest.raises(JobFailure) as failure:
            await list_videos(zygote, tmp_path, site.url(path))
        assert failure.value.code is code
