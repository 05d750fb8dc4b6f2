"""Which extractors are asked for a page's players."""

import json
import subprocess
import sys

from support import ffmpeg

LOADED = """
import json
from yt_dlp.extractor.generic import GenericIE
from vidferry_worker.child import preload
from vidferry_worker.child.patches import embed_search

PAGE = '''<html><head><title>A page</title></head><body>
<iframe src="https://www.youtube.com/embed/BaW_jenozKc"></iframe>
<iframe src="https://player.vimeo.com/video/56015672"></iframe>
<video src="https://example.invalid/a.mp4"></video></body></html>'''
URL = "https://example.invalid/page"

def found(extract):
    generic = preload.loaded_downloader().get_info_extractor("Generic")
    urls = [each.get("url") or each["formats"][0]["url"] for each in extract(generic, URL, PAGE)]
    return [url.partition("#__youtubedl_smuggle")[0] for url in urls]

extract = GenericIE._extract_embeds
preload.load_downloader()
ydl = preload.loaded_downloader()
silent = [each for each in ydl._ies.values() if not embed_search.searches_pages(each)]
answers = [found for each in silent for found in each.extract_from_webpage(ydl, URL, PAGE)]
ydl.other_videos = []
by_some = found(GenericIE._extract_embeds) + [each.url for each in ydl.other_videos]
print(json.dumps([found(extract), by_some, len(ydl._ies), len(silent), answers]))
"""


def test_those_that_find_nothing_are_not_asked_and_nothing_is_missed() -> None:
    environment = {"PATH": ffmpeg.path_with_ffmpeg(), "YTDLP_NO_PLUGINS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=True
    ).stdout
    by_all, by_some, everyone, silent, answers = json.loads(told.splitlines()[-1])

    assert by_some == by_all
    assert len(by_some) == 3
    assert answers == []
    assert 0.5 * everyone < silent < everyone
