"""What must be true of probes afterwards."""

from collections.abc import Sequence

from support.origin.media import CLIP_BYTES
from support.origin.pages import TITLES
from system.chaos.crowd import NOTHING, is_unusable
from system.chaos.person import Prober
from system.chaos.verdict import MAY_FAIL_WITH
from system.chaos.watched_job import Data

CLIP: Data = {"is_list": False, "formats": 1, "size": CLIP_BYTES, "height": None}
STREAMS: Data = {"is_list": False, "formats": 3, "height": 720}
TRUE_OF = {
    "slow": CLIP | {"title": "clip"},
    "media": CLIP | {"title": "clip"},
    "flaky": CLIP | {"title": "clip"},
    "page": CLIP | {"title": TITLES["plain"]},
    "hls": STREAMS | {"duration": 5},
    "slow-hls": STREAMS | {"duration": 5},
    "dash": STREAMS | {"duration": 6},
}
"""by the first folder of the path: what a probe finds"""


def of_probes(probers: Sequence[Prober]) -> list[str]:
    """A probe tells the truth, or fails with a code that says why."""
    wrong = []
    for prober in probers:
        told = prober.ended
        if told["seq"] != prober.job.ends[0]["seq"]:
            wrong.append(f"probe {prober.job.id} ended as {prober.job.ends}, and was read as {told}")
        if told["status"] == "completed" and (false := _find_false(prober, told["probe"])):
            wrong.append(f"probe {prober.job.id} of {prober.url} tells {false}")
        code = told["error"]["code"] if told["status"] == "failed" else None
        may_be = {"unavailable"} | MAY_FAIL_WITH if prober.url.endswith(NOTHING) else MAY_FAIL_WITH
        if code and code not in may_be:
            wrong.append(f"probe {prober.job.id} of {prober.url} failed with {code}")
    return wrong


def _find_false(prober: Prober, probe: Data) -> Data:
    """What is not true in a document."""
    if prober.listed:
        shown = [each["url"] for each in probe["entries"]]
        urls = [None if is_unusable(url) else url for url in prober.listed]
        told = {**probe, "urls": shown}
        true: Data = {"is_list": True, "title": "Piers", "entry_count": len(urls), "urls": urls}
    else:
        choice = probe["choice"] or {}
        told = {**probe, "formats": len(probe["formats"]), "size": choice.get("size"), "height": choice.get("height")}
        true = TRUE_OF.get(prober.url.split("/u/")[1].split("/")[1].partition("?")[0], {"is_list": "nothing is there"})
    return {name: told[name] for name in true if told[name] != true[name]}
