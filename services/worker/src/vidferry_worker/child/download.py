"""One download in a child: extract, ask whether to go on, download, put together.

children/protocol.py tells what the worker orders and what it is told. First comes a DownloadOrder, then, once it was
told what is found, a GoOrder or a StopOrder, and before that perhaps an EvidenceOrder.
"""

import socket
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_worker.child import (
    completeness,
    content_sniff,
    durations,
    growing,
    identity,
    options,
    preload,
    probing,
    retry_after,
    titles,
)
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.choosing import short_side
from vidferry_worker.child.classify import classify
from vidferry_worker.child.dash import periods
from vidferry_worker.child.evidence import Evidence
from vidferry_worker.child.moving import PutIntoContainerPP, TakeSoundPP
from vidferry_worker.child.patches import (
    connections,
    download_retries,
    duration_limit,
    ffmpeg_progress,
    fragment_progress,
    hls_announcements,
    programs,
    smuggled_data,
)
from vidferry_worker.child.reports import Reports
from vidferry_worker.children import protocol
from vidferry_worker.children.protocol import (
    MAX_EXTRACTORS,
    MAX_TEXT,
    Done,
    DownloadOrder,
    EvidenceFound,
    EvidenceOrder,
    Extractors,
    Failed,
    FoundIdentity,
    FoundStream,
    GoOrder,
    LogLine,
    Progress,
    Thumbnail,
    VideoFound,
    Waiting,
    number_or_none,
    parse_order,
)

NATIVE = frozenset({"http", "https", "m3u8_native", "http_dash_segments", "http_dash_segments_generator"})
"""Protocols that yt-dlp speaks itself; the others would need ffmpeg's own network."""


def run(sock: socket.socket) -> int:
    """Serves one request over the channel; the exit code of the child."""
    programs.install()
    channel = Channel(sock)
    connections.install(channel)
    order = parse_order(channel.order())
    assert isinstance(order, DownloadOrder)
    try:
        Download(channel, order).run()
    except Exception as raised:  # noqa: BLE001 - whatever went wrong is told to the worker
        error = _reason(raised, preload.downloader().gave_up)
        code = classify(error, preload.downloader().said)
        detail = f"{type(error).__name__}: {error}"[:MAX_TEXT]
        channel.tell(Failed(code, detail, number_or_none(retry_after.asked_by(error))))
    return 0


def _reason(raised: Exception, gave_up: Exception | None) -> Exception:
    """Of fragments that come side by side, one that is given up closes the file; the others stumble over that first."""
    return gave_up if isinstance(raised, ValueError) and gave_up else raised


class Download:
    """The life of one request within the child."""

    def __init__(self, channel: Channel, order: DownloadOrder) -> None:
        self._channel = channel
        self._url = order.url
        self._format = Format.parse(order.format)
        self._max_duration, self._max_bytes = order.max_duration, order.max_bytes
        self._stall_seconds = order.stall_seconds
        self._streams: list[str] = []
        self._chosen: list[dict[str, Any]] = []
        self._formats: list[dict[str, Any]] = []
        self._announced = completeness.Announcements()
        self._reports = Reports(channel.tell)
        self._growing: growing.Growing | None = None
        self._taker: TakeSoundPP | None = None
        self._evidence: Evidence | None = None
        self._asked = self._wanted = False
        self._guessed = False
        self._body = self._path = ""
        self._ydl = preload.downloader()

    def run(self) -> None:
        try:
            self._run()
        except Exception as raised:  # noqa: BLE001 - it is raised again, where there is nothing better to say
            failure = raised
        else:
            return
        if self._guessed and self._is_no_media(Path(self._body), failure):
            failure = JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the address leads to a file that is no media: {failure}")
        raise failure

    def _run(self) -> None:
        self._prepare()
        self._ydl.stall_timer.begin(self._stall_seconds)
        self._ydl.extract_info(self._url)
        if not self._asked:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        if self._wanted:
            path = Path(self._path)
            found = probing.probe(self._ydl, path)
            if (found.duration or 0) > self._max_duration:
                raise JobFailure(ErrorCode.TOO_LONG)
            self._check_whole(path, found)
            self._channel.tell(Done(found.description(path.name), self._seen_evidence()))

    def _is_no_media(self, path: Path, failure: Exception) -> bool:
        """Whether something has failed because the body that has come is none."""
        about_others = isinstance(failure, JobFailure) and failure.code is not ErrorCode.UNSUPPORTED_STREAM
        if about_others or not path.is_file() or content_sniff.is_disguised(path):
            return False
        try:
            probing.probe(self._ydl, path)
        except JobFailure:
            return True
        return False

    def _check_whole(self, path: Path, found: probing.Probed) -> None:
        """JobFailure where less has come than was announced."""
        made_mp3 = path.suffix == ".mp3" and self._chosen[0].get("ext") != "mp3"
        came = self._taker.came if self._taker else None
        self._announced.check(found, self._chosen, came=came, made_mp3=made_mp3)
        if completeness.lacks_sound(found, self._chosen, self._formats):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the sound, which is a stream of its own, was not chosen")

    def _prepare(self) -> None:
        """Makes the warm downloader this request's."""
        smuggled_data.renew_key()
        ydl, params = self._ydl, self._ydl.params
        params.update(
            format=options.select(self._format),
            merge_output_format=options.merge_container(self._format),
            match_filter=self._decide,
            logger=_Logger(self._channel),
            retry_sleep_functions={
                "http": self._telling(download_retries.pause_of_file),
                "fragment": self._telling(download_retries.pause),
            },
        )
        ydl.format_selector = preload.selector(self._format.canonical())
        ydl.wants_picture = self._format.quality is not Quality.AUDIO
        ydl.add_progress_hook(self._progress)
        ydl.add_post_hook(self._ended)
        ydl.on_extractors = lambda names: self._channel.tell(Extractors(names[:MAX_EXTRACTORS]))
        ydl.waits.tell = lambda seconds: self._channel.tell(Waiting(seconds, asked=True))
        ydl.on_thumbnails = lambda path: self._channel.tell(Thumbnail(Path(path).name))
        if self._format.quality is Quality.AUDIO:
            self._taker = TakeSoundPP(ydl, self._format.container)
            ydl.add_post_processor(self._taker)
        elif self._format.container is not Container.ANY:
            ydl.add_post_processor(PutIntoContainerPP(ydl, self._format.container))
        fragment_progress.install(self._report)
        duration_limit.install(self._max_duration)
        hls_announcements.install(self._announced.note_playlist)
        ffmpeg_progress.install(params, self._channel.tell)

    def _decide(self, info: dict[str, Any], *, incomplete: bool) -> str | None:
        """yt-dlp's match_filter: None goes on, a reason stops. Called with the chosen formats once all is known."""
        if incomplete or self._asked:
            return None
        streams = info.get("requested_formats") or [info]
        self._check(info, streams)
        self._formats = info.get("formats") or []
        self._chosen = [dict(stream) for stream in streams]  # as they were: postprocessors change them
        self._streams = [str(stream["format_id"]) for stream in streams]
        self._asked = True
        found = self._found(info, streams)
        self._channel.tell(found)
        self._ydl.stall_timer.end()
        if found.identity.by_address:
            self._evidence = Evidence(self._ydl, self._chosen)
        order = parse_order(self._channel.order())
        if isinstance(order, EvidenceOrder):
            self._channel.tell(EvidenceFound(self._evidence.ask() if self._evidence else None))
            order = parse_order(self._channel.order())
        if not isinstance(order, GoOrder):
            return "it is in the bucket already"
        self._wanted = True
        self._ydl.params["concurrent_fragment_downloads"] = order.fragments
        if order.growing and growing.is_kept(self._format, streams):
            look = partial(probing.probe, self._ydl)
            self._growing = growing.Growing(
                look, self._channel.tell, self._max_duration, self._format.container, self._seen_evidence
            )
        return None

    def _check(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> None:
        self._guessed = self._ydl.heads.is_guess(info)
        if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
            raise JobFailure(ErrorCode.LIVE)
        if any(stream.get("has_drm") for stream in streams):
            raise JobFailure(ErrorCode.DRM)
        unfit = next((stream["unfit"] for stream in streams if stream.get("unfit")), None)
        if unfit:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a track of the manifest: {unfit}")
        for stream in streams:
            periods.settle(self._ydl, stream)
        foreign = {str(stream.get("protocol")) for stream in streams} - NATIVE
        if foreign:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"protocol {', '.join(sorted(foreign))}")
        schemes = {urlsplit(str(stream.get("url"))).scheme.lower() for stream in streams} - preload.SCHEMES
        if schemes:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"scheme {', '.join(sorted(schemes))}")
        if max(info.get("duration") or 0, *map(durations.of_fragments, streams)) > self._max_duration:
            raise JobFailure(ErrorCode.TOO_LONG)
        if sum(stream.get("filesize") or 0 for stream in streams) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)

    def _found(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> VideoFound:
        return VideoFound(
            FoundIdentity(**asdict(identity.identify(info, self._ydl.trail))),
            _title(info),
            number_or_none(info.get("duration")),
            str(info.get("webpage_url") or self._url)[:2000],
            [
                FoundStream(
                    number_or_none(stream.get("tbr") or _usual_bit_rate(stream)),
                    number_or_none(stream.get("filesize") or stream.get("filesize_approx")),
                )
                for stream in streams
            ],
        )

    def _progress(self, seen: dict[str, Any]) -> None:
        """yt-dlp's progress hook, called for each block of a single body, and when any stream is here whole."""
        finished = seen["status"] == "finished"
        if max(seen.get("total_bytes") or 0, seen.get("downloaded_bytes") or 0) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        facts = {
            "finished": finished,
            "downloaded": seen.get("downloaded_bytes"),
            "total": seen.get("total_bytes"),
        }
        self._report(seen["info_dict"], facts)
        if finished:
            self._body = seen["filename"]
            self._reports.flush()
        if self._growing:
            self._growing.see(seen)

    def _report(self, info: dict[str, Any], facts: dict[str, Any]) -> None:
        """Has the worker told what is known of one stream now."""
        figures = {name: number_or_none(value) for name, value in facts.items() if name != "finished"}
        self._reports.put(Progress(self._stream(info), facts["finished"], **figures))

    def _stream(self, info: dict[str, Any]) -> int:
        name = str(info.get("format_id"))
        return self._streams.index(name) if name in self._streams else 0

    def _telling(self, pause: Callable[..., float]) -> Callable[..., float]:
        """A pause between two tries, told before it begins."""

        def tell_pause(n: int) -> float:
            seconds = pause(n)
            if seconds:
                self._channel.tell(Waiting(seconds, asked=False))
            return seconds

        return tell_pause

    def _seen_evidence(self) -> protocol.Evidence:
        """By what the file's origin will know it again."""
        return self._evidence.seen() if self._evidence else None

    def _ended(self, path: str) -> None:
        """yt-dlp's post hook: the file is complete and where it stays."""
        self._path = path


def _usual_bit_rate(stream: dict[str, Any]) -> float:
    """kbit/s of a stream that doesn't tell them: what weighs a film against its sound must be roughly true."""
    if stream.get("vcodec") == "none":
        return 128.0
    return 3.0 * (short_side(stream) or 720)


def _title(info: dict[str, Any]) -> str:
    """The extractor's; where that says nothing, what the address says that was asked for."""
    told, asked = str(info.get("title") or "")[: titles.MOST], str(info.get("original_url") or "")
    return titles.choose(told, titles.of_address(asked)) if titles.says_nothing(told) else told


class _Logger:
    """yt-dlp's log, as events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def debug(self, text: str) -> None:
        self._channel.tell(LogLine(text[:MAX_TEXT]))

    info = warning = error = debug
