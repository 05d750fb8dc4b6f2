"""Where a DASH manifest's tracks are, and how its periods go together (ISO/IEC 23009-1 §5.3.2, §5.3.9, §5.6).

By itself yt-dlp glues a BaseURL that begins with a slash to the one above it, takes `r="-1"` for one segment, knows no
byte ranges (KeyError) and no @endNumber, lists fragments without bound, takes a track without @codecs for picture and
sound in one, and reads no roles. It merges tracks by their looks, two of one period too, while a track that is in one
period alone passes for the whole.

So it is given an outline of the manifest without segments, from which it reads what tracks are; where they are, what
they are for and how periods go together is read by child/dash.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from vidferry_worker.child.dash import manifest, outline
from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.manifest import Manifest, Track
from vidferry_worker.child.dash.period_merging import join
from vidferry_worker.child.dash.period_times import Period, has_ended
from vidferry_worker.child.dash.roles import choose
from vidferry_worker.child.dash.segments import Fragments


def install() -> None:
    parse, merge = InfoExtractor._parse_mpd_periods, InfoExtractor._merge_mpd_periods  # noqa: SLF001

    def parse_periods(
        extractor: Any, mpd_doc: Any, mpd_id: str | None = None, mpd_base_url: str = "", mpd_url: str | None = None
    ) -> Iterator[Any]:
        try:
            read = _read(mpd_doc, _base(mpd_base_url, mpd_url))
        except UnsupportedTrackError as error:
            yield _unread(str(error), mpd_url)
            return
        for period in parse(extractor, read.outline, mpd_id, "", mpd_url):
            for each in period["formats"]:
                each["dash_track"] = read.track(each["url"])
            for each in (*period["formats"], *chain.from_iterable(period["subtitles"].values())):
                _locate(each, read.track(each["url"]), mpd_url)
            yield {**period, "formats": choose(period["formats"])}

    def merge_periods(extractor: Any, periods: Iterable[Any]) -> Any:
        given = list(periods)
        formats = join(given)
        _, subtitles = merge(extractor, [{**period, "formats": []} for period in given])
        return formats, subtitles

    InfoExtractor._parse_mpd_periods = parse_periods  # noqa: SLF001
    InfoExtractor._merge_mpd_periods = merge_periods  # noqa: SLF001


def _read(mpd: Any, base: str) -> Manifest:
    if has_ended(mpd, time.time()):
        mpd.set("type", "static")  # extractors take it for live by this
    return manifest.read(mpd, base)


def _unread(reason: str, mpd_url: str | None) -> dict[str, Any]:
    """The period of a manifest that can't be read: a track that is unfit, so that other manifests are taken first."""
    track = Track("video", Period(0, None), frozenset(), is_muxed=True, priority=None, problem=reason)
    url = mpd_url or outline.address(0)
    unfit = {"format_id": "dash", "ext": "mp4", "url": url, "protocol": "http_dash_segments", "dash_track": track}
    return {"id": "unread", "formats": [unfit], "subtitles": {}}


def _base(mpd_base_url: str, mpd_url: str | None) -> str:
    """The address that the manifest's are relative to. Extractors cut it off after its last slash, or before."""
    folder = mpd_base_url.rstrip("/") + "/"
    if not mpd_base_url or (mpd_url and mpd_url.partition("?")[0].rpartition("/")[0] + "/" == folder):
        return mpd_url or ""
    return folder


def _locate(each: dict[str, Any], track: Track, mpd_url: str | None) -> None:
    """Makes what yt-dlp has read of a track a format that it can fetch."""
    each["url"] = track.base
    if track.period.seconds:
        each["announced_seconds"] = track.period.seconds
    if track.segments is not None:
        each |= {
            "url": mpd_url or track.base,
            "fragment_base_url": track.base,
            "fragments": Fragments([track.segments]),
            "protocol": "mhtml" if each.get("ext") == "mhtml" else "http_dash_segments",
            "is_dash_periods": True,
        }
    if track.kind == "audio" and each.get("vcodec") is None:
        each["vcodec"] = "none"
    if track.kind == "video" and track.period.sound_apart and not track.is_muxed and each.get("acodec") is None:
        each["acodec"] = "none"
