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
    growing_file,
    identity,
    options,
    preload,
    probing,
    retry_after,
    titles,
)
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.classify import classify_error
from vidferry_worker.child.dash import period_joining
from vidferry_worker.child.evidence import Evidence
from vidferry_worker.child.format_selection import short_side
from vidferry_worker.child.patches import (
    connections,
    download_retries,
    duration_limit,
    ffmpeg_progress,
    fragment_progress,
    hls_playlist_observer,
    smuggled_data,
    subprocesses,
)
from vidferry_worker.child.progress_reports import ProgressReporter
from vidferry_worker.child.remuxing import ExtractAudioPP, RemuxIntoContainerPP
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
    Found,
    FoundIdentity,
    FoundStream,
    GoOrder,
    LogLine,
    Progress,
    Thumbnail,
    Waiting,
    figure,
    parse_order,
)

NATIVE_PROTOCOLS = frozenset({"http", "https", "m3u8_native", "http_dash_segments", "http_dash_segments_generator"})
"""Protocols that yt-dlp speaks itself; the others would need ffmpeg's own network."""


def run_download(sock: socket.socket) -> int:
    """Serves one request over the channel; the exit code of the child."""
    subprocesses.install()
    channel = Channel(sock)
    connections.install(channel)
    order = parse_order(channel.receive_order())
    assert isinstance(order, DownloadOrder)
    try:
        Download(channel, order).run()
    except Exception as raised:  # noqa: BLE001 - whatever went wrong is told to the worker
        error = _root_failure(raised, preload.loaded_downloader().first_failure)
        code = classify_error(error, preload.loaded_downloader().last_debug_message)
        detail = f"{type(error).__name__}: {error}"[:MAX_TEXT]
        channel.send_event(Failed(code, detail, figure(retry_after.find_retry_after(error))))
    return 0


def _root_failure(raised: Exception, first_failure: Exception | None) -> Exception:
    """Of fragments that come side by side, one that is given up closes the file; the others stumble over that first."""
    return first_failure if isinstance(raised, ValueError) and first_failure else raised


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
        self._announced = completeness.CompletenessCheck()
        self._reports = ProgressReporter(channel.send_event)
        self._growing: growing_file.GrowingFileReporter | None = None
        self._taker: ExtractAudioPP | None = None
        self._evidence: Evidence | None = None
        self._asked = self._wanted = False
        self._guessed = False
        self._body = self._path = ""
        self._ydl = preload.loaded_downloader()

    def run(self) -> None:
        try:
            self._extract_and_download()
        except Exception as raised:  # noqa: BLE001 - it is raised again, where there is nothing better to say
            failure = raised
        else:
            return
        if self._guessed and self._is_not_media(Path(self._body), failure):
            failure = JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the address leads to a file that is no media: {failure}")
        raise failure

    def _extract_and_download(self) -> None:
        self._configure_downloader()
        self._ydl.stall_timer.start(self._stall_seconds)
        self._ydl.extract_info(self._url)
        if not self._asked:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        if self._wanted:
            path = Path(self._path)
            found = probing.probe_file(self._ydl, path)
            if (found.duration or 0) > self._max_duration:
                raise JobFailure(ErrorCode.TOO_LONG)
            self._check_completeness(path, found)
            self._channel.send_event(Done(found.describe(path.name), self._collect_evidence()))

    def _is_not_media(self, path: Path, failure: Exception) -> bool:
        """Whether something has failed because the body that has come is none."""
        about_others = isinstance(failure, JobFailure) and failure.code is not ErrorCode.UNSUPPORTED_STREAM
        if about_others or not path.is_file() or content_sniff.is_text_file(path):
            return False
        try:
            probing.probe_file(self._ydl, path)
        except JobFailure:
            return True
        return False

    def _check_completeness(self, path: Path, found: probing.ProbedFile) -> None:
        """JobFailure where less has come than was announced."""
        made_mp3 = path.suffix == ".mp3" and self._chosen[0].get("ext") != "mp3"
        source = self._taker.source_file if self._taker else None
        self._announced.check_file(found, self._chosen, source=source, made_mp3=made_mp3)
        if completeness.lacks_audio(found, self._chosen, self._formats):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the sound, which is a stream of its own, was not chosen")

    def _configure_downloader(self) -> None:
        """Makes the warm downloader this request's."""
        smuggled_data.renew_key()
        ydl, params = self._ydl, self._ydl.params
        params.update(
            format=options.format_selector(self._format),
            merge_output_format=options.merge_output_format(self._format),
            match_filter=self._match_filter,
            logger=_Logger(self._channel),
            retry_sleep_functions={
                "http": self._announcing(download_retries.file_pause),
                "fragment": self._announcing(download_retries.fragment_pause),
            },
        )
        ydl.format_selector = preload.format_selector_for(self._format.canonical())
        ydl.wants_video = self._format.quality is not Quality.AUDIO
        ydl.add_progress_hook(self._on_progress)
        ydl.add_post_hook(self._on_finished)
        ydl.on_extractors = lambda names: self._channel.send_event(Extractors(names[:MAX_EXTRACTORS]))
        ydl.site_waits.on_wait = lambda seconds: self._channel.send_event(Waiting(seconds, asked=True))
        ydl.on_thumbnail = lambda path: self._channel.send_event(Thumbnail(Path(path).name))
        if self._format.quality is Quality.AUDIO:
            self._taker = ExtractAudioPP(ydl, self._format.container)
            ydl.add_post_processor(self._taker)
        elif self._format.container is not Container.ANY:
            ydl.add_post_processor(RemuxIntoContainerPP(ydl, self._format.container))
        fragment_progress.install(self._report_progress)
        duration_limit.install(self._max_duration)
        hls_playlist_observer.install(self._announced.note_playlist)
        ffmpeg_progress.install(params, self._channel.send_event)

    def _match_filter(self, info: dict[str, Any], *, incomplete: bool) -> str | None:
        """yt-dlp's match_filter: None goes on, a reason stops. Called with the chosen formats once all is known."""
        if incomplete or self._asked:
            return None
        streams = info.get("requested_formats") or [info]
        self._check_streams(info, streams)
        self._formats = info.get("formats") or []
        self._chosen = [dict(stream) for stream in streams]  # as they were: postprocessors change them
        self._streams = [str(stream["format_id"]) for stream in streams]
        self._asked = True
        found = self._describe_found(info, streams)
        self._channel.send_event(found)
        self._ydl.stall_timer.stop()
        if found.identity.by_address:
            self._evidence = Evidence(self._ydl, self._chosen)
        order = parse_order(self._channel.receive_order())
        if isinstance(order, EvidenceOrder):
            self._channel.send_event(EvidenceFound(self._evidence.request_now() if self._evidence else None))
            order = parse_order(self._channel.receive_order())
        if not isinstance(order, GoOrder):
            return "it is in the bucket already"
        self._wanted = True
        self._ydl.params["concurrent_fragment_downloads"] = order.fragments
        if order.growing and growing_file.is_final_as_downloaded(self._format, streams):
            look = partial(probing.probe_file, self._ydl)
            self._growing = growing_file.GrowingFileReporter(
                look, self._channel.send_event, self._max_duration, self._format.container, self._collect_evidence
            )
        return None

    def _check_streams(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> None:
        self._guessed = self._ydl.body_starts.is_guessed_video(info)
        if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
            raise JobFailure(ErrorCode.LIVE)
        if any(stream.get("has_drm") for stream in streams):
            raise JobFailure(ErrorCode.DRM)
        unfit = next((stream["unfit"] for stream in streams if stream.get("unfit")), None)
        if unfit:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a track of the manifest: {unfit}")
        for stream in streams:
            period_joining.resolve_fragments(self._ydl, stream)
        foreign = {str(stream.get("protocol")) for stream in streams} - NATIVE_PROTOCOLS
        if foreign:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"protocol {', '.join(sorted(foreign))}")
        schemes = {urlsplit(str(stream.get("url"))).scheme.lower() for stream in streams} - preload.SCHEMES
        if schemes:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"scheme {', '.join(sorted(schemes))}")
        if max(info.get("duration") or 0, *map(durations.fragments_duration, streams)) > self._max_duration:
            raise JobFailure(ErrorCode.TOO_LONG)
        if sum(stream.get("filesize") or 0 for stream in streams) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)

    def _describe_found(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> Found:
        return Found(
            FoundIdentity(**asdict(identity.identify_video(info, self._ydl.trail))),
            _choose_title(info),
            figure(info.get("duration")),
            str(info.get("webpage_url") or self._url)[:2000],
            [
                FoundStream(
                    figure(stream.get("tbr") or _usual_bit_rate(stream)),
                    figure(stream.get("filesize") or stream.get("filesize_approx")),
                )
                for stream in streams
            ],
        )

    def _on_progress(self, seen: dict[str, Any]) -> None:
        """yt-dlp's progress hook, called for each block of a single body, and when any stream is here whole."""
        finished = seen["status"] == "finished"
        if max(seen.get("total_bytes") or 0, seen.get("downloaded_bytes") or 0) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        facts = {
            "finished": finished,
            "downloaded": seen.get("downloaded_bytes"),
            "total": seen.get("total_bytes"),
        }
        self._report_progress(seen["info_dict"], facts)
        if finished:
            self._body = seen["filename"]
            self._reports.flush()
        if self._growing:
            self._growing.note_progress(seen)

    def _report_progress(self, info: dict[str, Any], facts: dict[str, Any]) -> None:
        """Has the worker told what is known of one stream now."""
        figures = {name: figure(value) for name, value in facts.items() if name != "finished"}
        self._reports.update(Progress(self._stream_index(info), facts["finished"], **figures))

    def _stream_index(self, info: dict[str, Any]) -> int:
        name = str(info.get("format_id"))
        return self._streams.index(name) if name in self._streams else 0

    def _announcing(self, pause: Callable[..., float]) -> Callable[..., float]:
        """A pause between two tries, told before it begins."""

        def tell_pause(n: int) -> float:
            seconds = pause(n)
            if seconds:
                self._channel.send_event(Waiting(seconds, asked=False))
            return seconds

        return tell_pause

    def _collect_evidence(self) -> protocol.Evidence:
        """By what the file's origin will know it again."""
        return self._evidence.collect() if self._evidence else None

    def _on_finished(self, path: str) -> None:
        """yt-dlp's post hook: the file is complete and where it stays."""
        self._path = path


def _usual_bit_rate(stream: dict[str, Any]) -> float:
    """kbit/s of a stream that doesn't tell them: what weighs a film against its sound must be roughly true."""
    if stream.get("vcodec") == "none":
        return 128.0
    return 3.0 * (short_side(stream) or 720)


def _choose_title(info: dict[str, Any]) -> str:
    """The extractor's; where that says nothing, what the address says that was asked for."""
    told, asked = str(info.get("title") or "")[: titles.MAX_TITLE], str(info.get("original_url") or "")
    return titles.choose_title(told, titles.title_from_url(asked)) if titles.is_meaningless(told) else told


class _Logger:
    """yt-dlp's log, as events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def debug(self, text: str) -> None:
        self._channel.send_event(LogLine(text[:MAX_TEXT]))

    info = warning = error = debug
