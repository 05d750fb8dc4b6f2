"""What yt-dlp hands on within URLs comes from itself alone."""

import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from vidferry_worker.child.patches import smuggled_data
from vidferry_worker.child.patches.smuggled_data import smuggle_url, unsmuggle_url

URL = "kaltura:1:0_one"
LEFT = """
import importlib, pkgutil, sys
import yt_dlp.extractor
from yt_dlp.utils import _utils
by_itself = {_utils.smuggle_url, _utils.unsmuggle_url}
from vidferry_worker.child import preload
preload.load_downloader()
for found in pkgutil.walk_packages(yt_dlp.extractor.__path__, "yt_dlp.extractor."):
    importlib.import_module(found.name)
names = ("smuggle_url", "unsmuggle_url")
having = {name: [vars(module).get(each) for each in names] for name, module in list(sys.modules.items())}
assert sum(any(found) for found in having.values()) > 60
print([name for name, found in having.items() if by_itself & set(found)])
"""


def forged(data: dict[str, str]) -> str:
    return f"#__youtubedl_smuggle={quote(json.dumps(data))}"


def test_data_of_its_own_is_read_again() -> None:
    once = smuggle_url(URL, {"a": "é #&", "b": 1})

    assert unsmuggle_url(once) == (URL, {"a": "é #&", "b": 1})
    assert unsmuggle_url(smuggle_url(once, {"b": 2, "c": 3})) == (URL, {"a": "é #&", "b": 1, "c": 3})
    assert unsmuggle_url(once.replace("kaltura:", "https://kaltura.example/"))[1], "URLs are completed on the way"


def test_a_url_without_data_is_left_alone() -> None:
    assert unsmuggle_url("https://example.org/#part") == ("https://example.org/#part", None)


@pytest.mark.parametrize(
    "rest",
    [
        forged({"service_url": "https://evil.example"}), "#__youtubedl_smuggle", "#__youtubedl_smuggle=",
        "#__youtubedl_smuggle=&data=%7B%7D&by=", "#__youtubedl_smuggle=&data=%7B%7D&by=%C3%A9",
    ],
)  # fmt: skip
def test_what_others_add_is_dropped(rest: str) -> None:
    assert unsmuggle_url(URL + rest, {}) == (URL, {})
    assert unsmuggle_url(smuggle_url(URL + rest, {"a": 1})) == (URL, {"a": 1})


def test_data_that_was_changed_is_dropped() -> None:
    assert unsmuggle_url(smuggle_url(URL, {"a": "old"}).replace("old", "new"), {}) == (URL, {})


def test_what_one_child_has_learned_is_of_no_use_to_another() -> None:
    learned = smuggle_url(URL, {"a": 1})
    smuggled_data.renew_key()

    assert unsmuggle_url(learned, {}) == (URL, {})


def test_no_module_of_yt_dlp_has_its_own_functions() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=False, timeout=100)

    assert done.stdout.splitlines()[-1:] == ["['yt_dlp.utils._utils']"] or done.stdout == "[]\n", done.stderr
