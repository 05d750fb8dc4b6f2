"""What of yt-dlp each patch stands on: a release that moves a part, or calls it otherwise, fails here by its name.

That a patch does what it is for is told by the test of its name.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from vidferry_worker.child.patch_targets import STANDS_ON

LOOK = """
import importlib, inspect, json, pkgutil, sys
import http.client, urllib3.util.connection, yt_dlp
from types import SimpleNamespace
from yt_dlp.extractor import gen_extractor_classes
from vidferry_worker.child import patch_targets, patches

OWN = {"connections": [SimpleNamespace(connect=None)],
       "duration_limit": [1.0], "ffmpeg_progress": [{}, None], "fragment_progress": [None],
       "hls_playlist_observer": [None], "embed_search": [SimpleNamespace(_ies={})]}
"what an install() is given of one download's"
MISSING = object()

def parts():
    "All that modules and classes have of their own, by where it is."
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "yt_dlp" or name in {"http.client", "urllib3.util.connection"}:
            owners = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == name]
            for path, owner in [(name, module), *((f"{name}.{each.__qualname__}", each) for each in owners)]:
                yield from ((f"{path}.{key}", value) for key, value in list(vars(owner).items()))

list(gen_extractor_classes())
modules = {each.name: importlib.import_module(f"{patches.__name__}.{each.name}")
           for each in pkgutil.iter_modules(patches.__path__)}
changed = {}
found = {path: patch_targets.parameters_of(path) for parts in patch_targets.STANDS_ON.values() for path in parts}
before = dict(parts())
for name, module in modules.items():
    module.install(*OWN.get(name, []))
    after = dict(parts())
    changed[name] = [path for path, part in after.items() if before.get(path, MISSING) is not part]
    before = after
print(json.dumps({"found": found, "changed": changed}))
"""


@pytest.fixture(scope="module")
def look() -> dict[str, Any]:
    """What a fresh yt-dlp has of all those parts, and what each patch changes of it."""
    command = [sys.executable, "-c", LOOK]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def test_each_patch_is_told_of(look: dict[str, Any]) -> None:
    assert set(look["changed"]) == set(STANDS_ON)


@pytest.mark.parametrize(
    ("patch", "part", "parameters"), [(patch, *part) for patch, parts in STANDS_ON.items() for part in parts.items()]
)
def test_what_a_patch_stands_on_is_there(patch: str, part: str, parameters: str, look: dict[str, Any]) -> None:
    assert look["found"][part] == parameters, f"{patch}: yt-dlp has moved or changed {part}"


@pytest.mark.parametrize("patch", STANDS_ON)
def test_a_patch_changes_what_it_is_told_to_stand_on(patch: str, look: dict[str, Any]) -> None:
    changed, told = set(look["changed"][patch]), set(STANDS_ON[patch])
    assert told <= changed
    # Modules that have imported a function by its name have it changed there too.
    names = {part.rpartition(".")[2] for part in told}
    assert {part for part in changed - told if part.rpartition(".")[2] not in names} == set()
