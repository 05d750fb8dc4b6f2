"""What a stored video is reused for, and under which name."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support import made
from support.origin import media
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from support.services import MakeUp
from system.main_job.test_main_job import NEW_VIDEO, STORED_VIDEO, fetched
from vidferry_common.bucket import content_disposition

ONE, OTHER = made.clip(tone=440), made.clip(tone=660)


def page(title: str, source: str) -> Reply:
    return text(f"<html><head><title>{title}</title></head><body><video src='{source}'></video></body></html>", "html")


def saved_under(stack: MakeUp, link: str) -> list[str]:
    """The Content-Disposition of what a link leads to: by its answer, or as Cloud Storage is asked for it."""
    answer = stack.get(link, follow_redirects=True)
    asked = parse_qs(urlsplit(str(answer.url)).query).get("response-content-disposition")
    return asked or [answer.headers["content-disposition"]]


def test_a_reused_video_is_called_as_it_is_called_now(stack: MakeUp, site: Site) -> None:
    url = site.put("/page", page("Old name", "a.mp4"), page("New name – 動画", "a.mp4"))
    site.put("/a.mp4", File("a.mp4", ONE))
    old, new = stack.run(url), stack.run(url)

    assert (old.last["result"]["title"], old.last["result"]["filename"]) == ("Old name", "Old name.mp4")
    assert new.steps == STORED_VIDEO
    assert {data["title"] for data in new.data if data["progress"] >= 10} == {"New name – 動画"}
    result = new.last["result"]
    assert (result["title"], result["filename"], result["reused"]) == ("New name – 動画", "New name – 動画.mp4", True)
    for link in (result["url"], result["file_url"]):
        assert saved_under(stack, link) == [content_disposition("New name – 動画.mp4")]
    assert saved_under(stack, old.last["result"]["file_url"]) == [content_disposition("Old name.mp4")]


def test_a_length_alone_says_nothing(stack: MakeUp, site: Site, tmp_path: Path) -> None:
    size = max(len(ONE), len(OTHER)) + 8
    padded = [data + media.free_box_head(size - len(data)) for data in (ONE, OTHER)]
    padded = [data + bytes(size - len(data)) for data in padded]
    url = site.put("/news.mp4", Reply(200, {"Content-Type": "video/mp4"}, Body(padded[0])))
    stack.run(url)
    site.put("/news.mp4", Reply(200, {"Content-Type": "video/mp4"}, Body(padded[1])))
    again = stack.run(url)

    assert again.steps == NEW_VIDEO
    assert not again.last["result"]["reused"]
    assert fetched(stack, again.last["result"]["url"], tmp_path).read_bytes() == padded[1]


@pytest.mark.parametrize(
    ("path", "segment"), [("/hls/master.m3u8", "hls/v720/seg003.ts"), ("/dash/manifest.mpd", "dash/chunk-1-00003.m4s")]
)
def test_a_list_is_reused_until_one_of_its_segments_is_another(
    stack: MakeUp, site: Site, path: str, segment: str
) -> None:
    stack.run(site.url(path))
    fetched_once = [one.path for one in site.settled() if one.method == "GET" and one.path == f"/{segment}"]
    assert stack.run(site.url(path)).steps == STORED_VIDEO
    assert [one.path for one in site.settled() if one.method == "GET" and one.path == f"/{segment}"] == fetched_once

    site.put(f"/{segment}", File(segment, media.read(segment), version=1))

    assert stack.run(site.url(path)).steps == NEW_VIDEO
    assert stack.run(site.url(path)).steps == STORED_VIDEO
