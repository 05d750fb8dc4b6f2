"""A site whose pages name other sites' videos reaches none of those videos' objects."""

import json
from pathlib import Path

import pytest

from support import made
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from support.services import MakeUp
from system.main_job.test_main_job import NEW_VIDEO, STORED_VIDEO, fetched

pytestmark = pytest.mark.xdist_group("folder")
HONEST, HOSTILE = made.clip(tone=500), made.clip(tone=700)


def kaltura(site: Site, name: str, video: str) -> str:
    """A page with Kaltura's embed code, which names the server that is asked for the entry and leads to the video."""
    entry = {"name": name, "dataUrl": f"{video}?", "duration": 2, "createdAt": 1, "plays": 1}
    flavor = {"status": 2, "fileExt": "mp4", "id": "f", "bitrate": 100, "width": 128, "height": 96}
    answer = [{"ks": ""}, {"objects": [entry]}, [flavor], {"objects": []}]
    site.put(f"/{name}/api_v3/service/multirequest", text(json.dumps(answer), "json"))
    code = f'<script src="{site.url(f"/{name}")}/p/9/sp/900/embedIframeJs"></script>'
    code += f'<script>kWidget.embed({{"wid":"_9","x":1,"entry_id":"{site.token}"}})</script>'
    return site.put(f"/{name}/page", text(f"<html><head><title>{name}</title>{code}</head></html>", "html"))


@pytest.fixture
def honest(site: Site) -> str:
    return kaltura(site, "honest", site.put("/honest.mp4", File("a.mp4", HONEST)))


def test_a_page_plants_nothing_under_anothers_id(folder_stack: MakeUp, site: Site, honest: str, tmp_path: Path) -> None:
    """Not before the other is there, and not in its place; each page's own video is reused all the same."""
    hostile = kaltura(site, "hostile", site.put("/hostile.mp4", File("b.mp4", HOSTILE)))
    assert folder_stack.run(hostile).steps == NEW_VIDEO
    assert folder_stack.run(honest).steps == NEW_VIDEO
    assert folder_stack.run(hostile, force=True).last["status"] == "completed"

    for url, data in ((honest, HONEST), (hostile, HOSTILE)):
        again = folder_stack.run(url)
        assert again.steps == STORED_VIDEO
        assert fetched(folder_stack, again.last["result"]["url"], tmp_path).read_bytes() == data


def test_nobody_is_merged_into_a_page_that_names_anothers_id(folder_stack: MakeUp, site: Site, honest: str) -> None:
    hostile = folder_stack.post(kaltura(site, "hostile", site.url("/gated/g/clip.mp4")))
    site.gate("g").wait_held()
    with folder_stack.follow(hostile) as watcher:
        watcher.reached("downloading")
        assert folder_stack.run(honest).steps == NEW_VIDEO, "while the other one is held"
    site.gate("g").open()
    assert folder_stack.watch(hostile).last["status"] == "completed"
