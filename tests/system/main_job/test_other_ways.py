"""A job followed as Server-Sent Events, and among others on one socket, in the product that one person runs."""

import json

import httpx2
import pytest
from websockets.sync.client import connect

from support.origin.site import Site
from support.services import SECONDS, MakeUp

NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]


@pytest.fixture
def local(folder_stack: MakeUp) -> MakeUp:
    return folder_stack


pytestmark = pytest.mark.xdist_group("folder")


def test_as_events(local: MakeUp, site: Site) -> None:
    accepted = local.post(site.url("/media/clip.mp4"))
    assert accepted["events_url"] == local.get(accepted["status_url"]).json()["events_url"]
    seen, name = [], ""
    with httpx2.stream("GET", accepted["events_url"], timeout=SECONDS) as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        for line in answer.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
    assert (name, seen.pop()) == ("close", {"code": 1000})
    assert [message["data"]["progress"] for message in seen if message.get("step")] == NEW_VIDEO
    assert seen[-1]["data"]["result"]["file_url"].startswith(local.url)


def test_many_on_one_socket(local: MakeUp, site: Site) -> None:
    jobs = {local.post(site.url(f"/media/clip.mp4?{number}"))["job_id"]: None for number in range(3)}
    seen: dict[str, list[float]] = {job_id: [] for job_id in jobs}
    with connect(f"ws://localhost:{local.port}/ws/downloads", open_timeout=20) as socket:
        socket.send(json.dumps({"type": "subscribe", "jobs": jobs}))
        while any(steps[-1:] != [100] for steps in seen.values()):
            message = json.loads(socket.recv(SECONDS))
            if message.get("step"):
                seen[message["data"]["job_id"]].append(message["data"]["progress"])
    assert list(seen.values()) == [NEW_VIDEO] * 3
