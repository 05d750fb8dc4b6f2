"""From a pasted address to a signed link, through all processes: api, Redis, worker, bucket, gateway."""

from pathlib import Path

import pytest

from support.ffmpeg import ffprobe
from support.origin.site import Site
from support.services import MakeUp
from support.watchers import Watcher

NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]
STORED_VIDEO = [5, 10, 30, 50, 70, 90, 100]


def fetched(stack: MakeUp, url: str, tmp_path: Path) -> Path:
    """What a person gets who follows the link."""
    response = stack.get(url, follow_redirects=True)
    assert response.status_code == 200, response.text
    file = tmp_path / "fetched"
    file.write_bytes(response.content)
    return file


def check_order(watched: Watcher) -> None:
    """seq rises, progress never goes back within an attempt, one last message, closed as the contract says."""
    seqs = [data["seq"] for data in watched.data]
    assert seqs == sorted(set(seqs))
    shown = [data["progress"] for data in watched.data]
    assert shown == sorted(shown)
    assert [data["status"] for data in watched.data].count("completed") == 1
    assert watched.close_code == 1000


def test_hls_with_separate_audio_becomes_a_link_that_plays(stack: MakeUp, site: Site, tmp_path: Path) -> None:
    watched = stack.run(site.url("/hls/master.m3u8"))
    assert watched.steps == NEW_VIDEO
    check_order(watched)
    result = watched.last["result"]
    assert result["media_type"] == "video/mp4"
    assert not result["reused"]
    for link in (result["url"], result["file_url"]):
        facts = ffprobe(fetched(stack, link, tmp_path))
        assert {stream["codec_type"] for stream in facts["streams"]} == {"video", "audio"}
        assert float(facts["format"]["duration"]) == pytest.approx(6, abs=0.3)
        assert int(facts["format"]["size"]) == result["size"]


def test_the_same_address_again_is_reused(stack: MakeUp, site: Site) -> None:
    first = stack.run(site.url("/media/clip.mp4"))
    assert first.steps == NEW_VIDEO
    before = len(site.settled("/media/clip.mp4"))
    again = stack.run(site.url("/media/clip.mp4"))
    assert again.steps == STORED_VIDEO
    check_order(again)
    assert again.last["result"]["reused"]
    assert again.last["result"]["size"] == first.last["result"]["size"]
    probes = site.settled("/media/clip.mp4")[before:]
    assert len(probes) == 1, "one probe, and no media"
    assert probes[0].closed_early, "closed at its headers"
    assert probes[0].length is not None
    assert probes[0].sent < probes[0].length / 2


def test_two_addresses_with_one_file_name_are_two_objects(stack: MakeUp, site: Site, tmp_path: Path) -> None:
    results = [stack.run(site.url(path)).last["result"] for path in ("/media/clip.mp4", "/other/clip.mp4")]
    assert not any(result["reused"] for result in results)
    contents = [fetched(stack, result["url"], tmp_path).read_bytes() for result in results]
    assert contents[0] != contents[1]


def test_a_file_that_changed_at_the_origin_is_fetched_anew(stack: MakeUp, site: Site, tmp_path: Path) -> None:
    address = site.url("/mutable/a/clip.mp4")
    first = stack.run(address).last["result"]
    before = fetched(stack, first["url"], tmp_path).read_bytes()
    site.mutate("a")
    changed = stack.run(address)
    assert changed.steps == NEW_VIDEO
    assert not changed.last["result"]["reused"]
    after = fetched(stack, changed.last["result"]["url"], tmp_path).read_bytes()
    assert after != before
    assert stack.run(address).last["result"]["reused"]


@pytest.mark.parametrize("path", ["/dash/manifest.mpd", "/chunked/clip.mp4", "/page", "/page-hls"])
def test_other_kinds_of_source(stack: MakeUp, site: Site, tmp_path: Path, path: str) -> None:
    watched = stack.run(site.url(path))
    assert watched.steps == NEW_VIDEO
    check_order(watched)
    facts = ffprobe(fetched(stack, watched.last["result"]["url"], tmp_path))
    assert {stream["codec_type"] for stream in facts["streams"]} == {"video", "audio"}


def test_a_page_brings_its_title_and_picture(stack: MakeUp, site: Site) -> None:
    watched = stack.run(site.url("/page?title=chinese"))
    assert watched.last["title"] == watched.last["result"]["title"]
    link = stack.get(watched.last["result"]["url"])
    assert "filename*=UTF-8''" in link.headers["content-disposition"]
    picture = stack.get(watched.last["thumbnail"], follow_redirects=True)
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content[:3] == b"\xff\xd8\xff"


def test_a_socket_opened_halfway_sees_the_steps_so_far_and_the_end(stack: MakeUp, site: Site) -> None:
    job = stack.post(site.url("/gated-hls/half/v720/4/master.m3u8"))
    site.gate("half").wait_held()
    first = stack.follow(job)
    first.reached("downloading", 35)
    late = stack.follow(job)
    late.reached("downloading", 35)
    assert [data["progress"] for data in late.data][:4] == [5, 10, 20, 35]
    site.gate("half").open()
    assert [each.closed().last["status"] for each in (first, late)] == ["completed"] * 2


def test_a_socket_opened_after_the_end_sees_it_all_at_once(stack: MakeUp, site: Site) -> None:
    job = stack.post(site.url("/media/clip.mp4"))
    first = stack.watch(job)
    late = stack.watch(job)
    assert late.steps == NEW_VIDEO
    assert late.messages[-1] == first.messages[-1]
    assert late.close_code == 1000


def test_a_socket_that_was_cut_goes_on_after_its_cursor(stack: MakeUp, site: Site) -> None:
    job = stack.post(site.url("/gated-hls/cut/v720/4/master.m3u8"))
    watcher = stack.follow(job)
    watcher.reached("downloading", 35)
    watcher.cut()
    site.gate("cut").open()
    rest = stack.watch(job, after=watcher.messages[-1]["cursor"])
    # The state as it is now comes first, whatever it knew; then each step that it has not seen, and none again.
    assert rest.data[0]["seq"] >= watcher.last["seq"]
    assert watcher.steps + [step for step in rest.steps if step != watcher.steps[-1]] == NEW_VIDEO
    assert rest.close_code == 1000


def test_two_jobs_of_one_address_share_a_download(stack: MakeUp, site: Site) -> None:
    address = site.url("/gated/shared/clip.mp4")
    first = stack.post(address)
    site.gate("shared").wait_held()
    second = stack.post(address)
    site.gate("shared").open()
    ends = [stack.watch(job) for job in (first, second)]
    assert [end.last["job_id"] for end in ends] == [first["job_id"], second["job_id"]]
    assert all(end.steps == NEW_VIDEO for end in ends)
    assert first["job_id"] in ends[0].last["result"]["file_url"]
    assert second["job_id"] in ends[1].last["result"]["file_url"]
    assert len(site.settled("/gated/shared/clip.mp4")) <= 2, "one probe, one download"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/403", "refused"),
        ("/status/404", "unavailable"),
        ("/status/410", "unavailable"),
        ("/page-empty", "unsupported_site"),
        ("/live.m3u8", "live"),
        ("/hls-missing/master.m3u8", "origin_error"),
        ("/short/clip.mp4", "network"),
    ],
)
def test_a_failure_says_why(folder_stack: MakeUp, site: Site, path: str, code: str) -> None:
    job = folder_stack.post(site.url(path))
    watched = folder_stack.watch(job)
    error = watched.last["error"]
    assert (watched.last["status"], error["code"]) == ("failed", code)
    assert error["message"].endswith(".")
    assert watched.close_code == 1000
    assert folder_stack.get(f"/api/jobs/{job['job_id']}").json()["error"] == error
    assert folder_stack.get(f"/api/jobs/{job['job_id']}/file").status_code == 409
    assert not list((folder_stack.data / "work").glob("*/*")), "no files are left behind"


def test_a_site_that_fails_once_is_tried_again(folder_stack: MakeUp, site: Site) -> None:
    watched = folder_stack.run(site.url("/flaky/clip.mp4?times=1&key=once"))
    assert watched.last["status"] == "completed"
    waiting = next(data for data in watched.data if data["retry_at"])
    assert (waiting["status"], waiting["retries"], waiting["max_retries"]) == ("queued", 1, 3)
    assert watched.last["attempt"] == 2


def test_an_endless_body_is_bounded(site: Site) -> None:

    with MakeUp(max_bytes="4000000") as stack:
        assert stack.run(site.url("/endless/clip.mp4")).last["error"]["code"] == "too_large"


def test_debug_logs_show_a_messages_way(folder_stack: MakeUp, site: Site) -> None:
    job = folder_stack.post(site.url("/media/clip.mp4"))
    folder_stack.watch(job)
    lines = [line for line in folder_stack.log.splitlines() if job["job_id"] in line]
    for event in ("published", "subscribed to channel", "forwarded to socket"):
        assert any(event in line for line in lines), event
    signed = [line for line in folder_stack.log.splitlines() if "signature=" in line.lower()]
    assert all("signature=…" in line.lower() for line in signed)
