"""Replaces yt-dlp's reading of DASH segments, roles and periods (ISO/IEC 23009-1 §5.3.2, §5.3.9, §5.6).

By itself, yt-dlp appends a BaseURL that begins with a slash to the one above it, takes `r="-1"` for one segment, knows
no byte ranges (KeyError) and no @endNumber, lists any number of fragments, takes a track without @codecs for video with
audio, and ignores roles. It merges tracks by a few attributes, even two of one period, and offers a track of only one
period as the whole.

With the patch, it reads an outline of the manifest, with the tracks but without segments. Segments, roles and periods
are read by child/dash.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from vidferry_worker.child.dash import manifest, outline
from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.manifest import Manifest, Track
from vidferry_worker.child.dash.period_merging import merge_periods
from vidferry_worker.child.dash.period_times import Period, has_ended
from vidferry_worker.child.dash.roles import rank_formats
from vidferry_worker.child.dash.segments import Fragments


def install() -> None:
    parse, merge = InfoExtractor._parse_mpd_periods, InfoExtractor._merge_mpd_periods  # noqa: SLF001

    def parse_periods(
        extractor: Any, mpd_doc: Any, mpd_id: str | None = None, mpd_base_url: str = "", mpd_url: str | None = None
    ) -> Iterator[Any]:
        try:
            read = _read_manifest(mpd_doc, _manifest_base_url(mpd_base_url, mpd_url))
        except UnsupportedTrackError as error:
            yield _unreadable_period(str(error), mpd_url)
            return
        for period in parse(extractor, read.outline, mpd_id, "", mpd_url):
            for each in period["formats"]:
                each["dash_track"] = read.track_at(each["url"])
            for each in (*period["formats"], *chain.from_iterable(period["subtitles"].values())):
                _complete_format(each, read.track_at(each["url"]), mpd_url)
            yield {**period, "formats": rank_formats(period["formats"])}

    def merge_read_periods(extractor: Any, periods: Iterable[Any]) -> Any:
        given = list(periods)
        formats = merge_periods(given)
        _, subtitles = merge(extractor, [{**period, "formats": []} for period in given])
        return formats, subtitles

    InfoExtractor._parse_mpd_periods = parse_periods  # noqa: SLF001
    InfoExtractor._merge_mpd_periods = merge_read_periods  # noqa: SLF001


def _read_manifest(mpd: Any, base: str) -> Manifest:
    if has_ended(mpd, time.time()):
        mpd.set("type", "static")  # extractors take a dynamic one for live
    return manifest.read_manifest(mpd, base)


def _unreadable_period(reason: str, mpd_url: str | None) -> dict[str, Any]:
    """A period with one unfit track, for a manifest that can't be read: formats of other manifests are preferred."""
    track = Track("video", Period(0, None), frozenset(), is_muxed=True, priority=None, problem=reason)
    url = mpd_url or outline.track_url(0)
    unfit = {"format_id": "dash", "ext": "mp4", "url": url, "protocol": "http_dash_segments", "dash_track": track}
    return {"id": "unread", "formats": [unfit], "subtitles": {}}


def _manifest_base_url(mpd_base_url: str, mpd_url: str | None) -> str:
    """The URL that the manifest's are relative to. Extractors pass it up to its last slash, with it or without."""
    folder = mpd_base_url.rstrip("/") + "/"
    if not mpd_base_url or (mpd_url and mpd_url.partition("?")[0].rpartition("/")[0] + "/" == folder):
        return mpd_url or ""
    return folder


def _complete_format(each: dict[str, Any], track: Track, mpd_url: str | None) -> None:
    """Adds the URL and fragments of a track to the format that yt-dlp has made of it."""
    each["url"] = track.base_url
    if track.period.seconds:
        each["announced_seconds"] = track.period.seconds
    if track.segments is not None:
        each |= {
            "url": mpd_url or track.base_url,
            "fragment_base_url": track.base_url,
            "fragments": Fragments([track.segments]),
            "protocol": "mhtml" if each.get("ext") == "mhtml" else "http_dash_segments",
            "is_dash_periods": True,
        }
    if track.kind == "audio" and each.get("vcodec") is None:
        each["vcodec"] = "none"
    if track.kind == "video" and track.period.has_separate_audio and not track.is_muxed and each.get("acodec") is None:
        each["acodec"] = "none"
