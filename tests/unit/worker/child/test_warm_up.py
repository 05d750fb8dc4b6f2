"""What a child need not do, since the zygote has done it before it forked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import ffmpeg
from support.children import begin, processes
from support.origin.site import Site
from vidferry_worker.children.zygote import Zygote

PATHS = ("/media/clip.mp4", "/page", "/page-hls", "/page-empty", "/hls/master.m3u8", "/dash/manifest.mpd")
LOADED = """
import contextlib, json, os, re, socket, sys
from vidferry_worker.child import preload, warm_up
from vidferry_worker.child.patches import embed_search

base, paths = sys.argv[1], sys.argv[2].split(",")
if "unrehearsed" in sys.argv:
    warm_up.warm_up_extractors = embed_search.install = lambda ydl: None
connected, connect = [], socket.socket.connect
socket.socket.connect = lambda *args: connected.append(args) or connect(*args)
preload.load_downloader()
reached, new = len(connected), {}
for path in paths:
    out, into = os.pipe()
    if os.fork() == 0:
        modules, patterns = set(sys.modules), set(re._cache)
        with contextlib.suppress(Exception):
            preload.loaded_downloader().extract_info(base + path, download=False)
        os.write(into, json.dumps([len(set(sys.modules) - modules), len(set(re._cache) - patterns)]).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        new[path] = json.loads(pipe.read())
print(json.dumps([reached, new]))
"""


def what_is_new(site: Site, *words: str) -> tuple[int, dict[str, tuple[int, int]]]:
    """How many connections loading made, and for each path how many modules and patterns it brought."""
    environment = {"PATH": ffmpeg.path_with_ffmpeg(), "YTDLP_NO_PLUGINS": "1"}
    command = [sys.executable, "-c", LOADED, site.base, ",".join(PATHS), *words]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    reached, new = json.loads(told.splitlines()[-1])
    return reached, new


def test_a_child_imports_nothing_and_compiles_next_to_nothing(site: Site) -> None:
    reached, new = what_is_new(site)

    assert reached == 0, "the zygote has no business on the network"
    assert new.keys() == set(PATHS)
    for path, (modules, patterns) in new.items():
        assert modules == 0, path
        assert patterns < 5, path
    assert {one.path for one in site.requests()} >= set(PATHS)


def test_yt_dlp_by_itself_imports_all_its_sites_for_the_first_page(site: Site) -> None:
    _, new = what_is_new(site, "unrehearsed")

    modules, patterns = new["/page"]
    assert modules > 500
    assert patterns > 100


@pytest.mark.anyio
async def test_a_page_costs_a_child_little(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """In CPU seconds: 0.1 with what its fork costs, 1.7 without a rehearsal."""
    child = await begin(zygote, tmp_path, site.url("/page"))
    ticks = sum(map(int, processes()[child.pid][11:13]))
    await child.close()

    assert ticks < 50
