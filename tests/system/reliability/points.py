"""Where a download can be held: at each point of its life, until the test lets it go on."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from urllib.request import urlopen

import orjson

from support import ffmpeg
from support.children import children_of
from support.faults import Gate as CloudGate
from support.gcs import Gcs
from support.origin.site import Site
from support.product import wait_until
from support.watchers import Watcher
from system.reliability.proxied import ProxiedProduct, ProxiedWorker

MERGES = """\
    #!/bin/sh
    # Two inputs are a merge: this one never ends.
    case "$*" in *" -i "*" -i "*) touch merging; exec sleep 1000;; esac
    exec {ffmpeg} "$@"
"""


def path_that_holds_merges(folder: Path) -> str:
    """What goes before a worker's PATH, so that its merges hang; `is_merging` tells."""
    folder.mkdir()
    wrapper = folder / "ffmpeg"
    wrapper.write_text(dedent(MERGES).format(ffmpeg=ffmpeg.ffmpeg()))
    wrapper.chmod(0o755)
    return f"{folder}:"


@dataclass
class Points:
    """Jobs of one service, each held somewhere. What is held at the origin goes on when its gate is opened."""

    service: ProxiedProduct
    site: Site
    cloud: Gcs

    def extraction(self) -> Watcher:
        watcher = self.service.begin(self.site.url("/gated/extraction/clip.mp4?at=0"))
        self.site.gate("extraction").wait_held()
        return watcher

    def download(self) -> Watcher:
        watcher = self.service.begin(self.site.url("/gated/download/clip.mp4"))
        self.site.gate("download").wait_held()
        watcher.until(lambda data: data["stage"] == "downloading")
        return watcher

    def merge(self) -> Watcher:
        """For a worker with path_that_holds_merges."""
        watcher = self.service.begin(self.site.url("/hls/master.m3u8"))
        wait_until(lambda: list((self.service.home / "work").glob("*/*/merging")))
        return watcher

    def upload(self, name: str = "clip", *, arrived: bool = False) -> tuple[Watcher, CloudGate]:
        """Its last bytes are on their way. Opened, the gate lets the bucket have them, whoever has died since.

        arrived: the bucket has them, and only its answer is on its way.
        """
        gate = self.cloud.layer.faults.hold("last", after=arrived)
        watcher = self.service.begin(self.site.url(f"/mutable/{name}/clip.mp4"))
        assert gate.reached.wait(60)
        return watcher, gate

    def claimed(self, worker: ProxiedWorker) -> Watcher:
        """Nothing is done yet: the process that forks children stands still."""
        (zygote,) = children_of(worker.process.pid)
        worker.freeze_one(zygote)
        watcher = self.service.begin(self.site.url("/media/clip.mp4"))
        watcher.attempt(1)
        return watcher

    def picked(self, worker: ProxiedWorker) -> Watcher:
        """Not claimed yet."""
        gate = worker.proxy.hold("claim")
        watcher = self.service.begin(self.site.url("/other/clip.mp4"))
        gate.wait_reached()
        return watcher

    def objects(self) -> dict[str, str]:
        """The videos in the bucket, with the generation of each."""
        with urlopen(f"http://127.0.0.1:{self.cloud.layer.backend}/storage/v1/b/{self.cloud.bucket}/o") as answer:
            items = orjson.loads(answer.read()).get("items", [])
        return {item["name"]: item["generation"] for item in items if not item["name"].endswith("/thumbnail")}
