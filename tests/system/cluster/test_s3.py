"""Vidferry on an S3-compatible store in the cluster, whose links are followed from outside."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from support.ffmpeg import kinds
from system.cluster import kube, s3_store
from system.cluster.around import ORIGIN
from system.cluster.browser import person
from system.cluster.client import Client
from system.cluster.conftest import Installed
from system.cluster.probes import connects
from system.cluster.release import COMPONENT, SELECTOR, pod, settled
from system.cluster.s3_store import KEYS, PORT, Outside
from system.cluster.settings import AROUND, NAMESPACE, S3_HOST

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
SERVICES = ("api", "worker", "gateway")
CREDENTIALS = "import os; print([name for name in os.environ if name.startswith('AWS_')])"
BROWSER_MS = 60_000


@dataclass
class OnS3:
    client: Client
    outside: Outside


@pytest.fixture(scope="module")
def on_s3(installed: Installed) -> Iterator[OnS3]:
    with s3_store.store(), closing(Outside(installed.certificate)) as outside:
        installed.release.present()
        installed.release.upgrade(s3_store.VALUES)
        for name in SERVICES:
            settled(name)
        installed.client.routed()
        outside.routed()
        yield OnS3(installed.client, outside)
        installed.release.present()


def test_a_link_is_followed_from_outside(on_s3: OnS3) -> None:
    watched = on_s3.client.run(f"{ORIGIN}/u/s3/hls/master.m3u8")
    assert watched.data[-1]["status"] == "completed", watched.data[-1]
    result = watched.data[-1]["result"]
    whole = on_s3.outside.follow(result["url"])
    assert (whole.status_code, len(whole.content)) == (200, result["size"])
    assert whole.content[4:8] == b"ftyp"
    assert whole.headers["Content-Disposition"].startswith("attachment")
    part = on_s3.outside.follow(result["url"], Range="bytes=4-7")
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert "X-Amz-Signature" in parse_qs(urlsplit(result["url"]).query)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in result["url"]


def test_a_link_opens_one_object_alone(on_s3: OnS3) -> None:
    links = [
        on_s3.client.run(f"{ORIGIN}/u/s3-{number}/media/clip.mp4").data[-1]["result"]["url"] for number in range(2)
    ]
    path, query = urlsplit(links[0]).path, urlsplit(links[1]).query
    assert on_s3.outside.follow(f"{s3_store.PUBLIC}{path}?{query}").status_code == 403
    assert on_s3.outside.follow(links[0]).status_code == 200


def test_a_deleted_video_is_gone(on_s3: OnS3) -> None:
    job = on_s3.client.post(f"{ORIGIN}/u/s3-deleted/media/clip.mp4")
    assert on_s3.client.watch(job).data[-1]["status"] == "completed"
    moved = on_s3.client.request("GET", f"/api/jobs/{job['job_id']}/file")
    assert moved.is_redirect, moved.text
    link = moved.headers["Location"]
    assert on_s3.outside.follow(link).status_code == 200
    found = [
        f"/api/objects/{each['object_id']}" for each in on_s3.client.request("GET", "/api/objects").json()["objects"]
    ]
    (ours,) = [
        each
        for each in found
        if urlsplit(on_s3.client.request("GET", f"{each}/file").headers["Location"]).path == urlsplit(link).path
    ]
    gone = on_s3.client.request("DELETE", ours)
    assert gone.status_code == 204, gone.text
    assert on_s3.outside.follow(link).status_code == 404
    assert on_s3.client.request("GET", f"/api/jobs/{job['job_id']}/file").status_code == 410


def test_a_person_saves_a_video_in_a_browser(on_s3: OnS3, tmp_path: Path) -> None:
    with person() as (page, sockets):
        page.get_by_label("Video URL").fill(f"{ORIGIN}/u/s3-person/hls/master.m3u8")
        page.get_by_role("button", name="Download video").click()
        link = page.locator(".card").first.get_by_role("link", name="Save video")
        expect(link).to_be_visible(timeout=BROWSER_MS)
        with page.expect_download() as download:
            link.click()
        assert urlsplit(download.value.url).netloc == S3_HOST
        download.value.save_as(tmp_path / "saved.mp4")
    (received,) = sockets.received.values()
    assert (tmp_path / "saved.mp4").stat().st_size == json.loads(received[-1])["data"]["result"]["size"]
    assert kinds(tmp_path / "saved.mp4") == ["audio", "video"]


def test_api_and_workers_alone_have_the_key_and_reach_the_store(on_s3: OnS3) -> None:
    ip = kube.get(AROUND, "pod", "s3")["status"]["podIP"]
    targets = {"the store": f"{ip}:{PORT}", "another port of it": f"{ip}:22"}
    for name in SERVICES:
        has = name != "gateway"
        assert connects(NAMESPACE, pod(name), targets) == {"the store": has, "another port of it": False}
        assert ("AWS_SECRET_ACCESS_KEY" in kube.python(NAMESPACE, pod(name), CREDENTIALS)) == has


def test_no_log_has_a_key_or_a_signature(on_s3: OnS3) -> None:
    """With the logs' level at debug, which the tests' release has."""
    assert on_s3.client.run(f"{ORIGIN}/u/s3-logged/media/clip.mp4").data[-1]["status"] == "completed"
    for name in SERVICES:
        log = kube.kubectl("-n", NAMESPACE, "logs", "-l", f"{SELECTOR},{COMPONENT}={name}", "--tail=-1")
        assert log
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in log
        assert "X-Amz-Signature" not in log
