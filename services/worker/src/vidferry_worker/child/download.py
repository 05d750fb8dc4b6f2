"""One download in a child: extract, ask the worker whether to go on, download, postprocess.

children/protocol.py defines the orders and events. The worker first sends a DownloadOrder, or a LookOrder (look.py).
Once it is told what was found, it may send an EvidenceOrder, and then a GoOrder or a StopOrder.
"""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from yt_dlp.version import __version__

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_worker.child import (
    completeness,
    content_sniff,
    cookies,
    growing_file,
    options,
    preload,
    probing,
    retry_after,
)
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.classify import classify_error
from vidferry_worker.child.completeness import CompletenessCheck
from vidferry_worker.child.error_chain import error_chain
from vidferry_worker.child.event_logger import EventLogger
from vidferry_worker.child.evidence import Evidence
from vidferry_worker.child.found_event import describe_found
from vidferry_worker.child.growing_file import GrowingFileReporter
from vidferry_worker.child.listing import Listing
from vidferry_worker.child.lists.refusal import reduce_to_video
from vidferry_worker.child.look import Look
from vidferry_worker.child.offered_formats import add_offered_formats
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
from vidferry_worker.child.stream_checks import check_streams
from vidferry_worker.children import protocol
from vidferry_worker.children.protocol import (
    MAX_EXTRACTORS,
    MAX_TEXT,
    MAX_VERSION,
    Done,
    DownloadOrder,
    EvidenceFound,
    EvidenceOrder,
    Extractors,
    Failed,
    GoOrder,
    LookOrder,
    LookPurpose,
    Progress,
    Thumbnail,
    Waiting,
    number_or_none,
    parse_order,
)


def run_download(sock: socket.socket) -> int:
    """Serves one request over the channel; returns the exit code of the child."""
    subprocesses.install()
    channel = Channel(sock)
    connections.install(channel)
    order = parse_order(channel.receive_order())
    try:
        assert isinstance(order, DownloadOrder | LookOrder)
        ydl = preload.loaded_downloader()
        cookies.put_into_jar(ydl.cookiejar, order.cookies)
        ydl.pace.start(order.pacing)
        if order.user_agent:
            ydl.set_user_agent(order.user_agent)
        if order.impersonate:
            ydl.impersonate_always(order.impersonate)
        if isinstance(order, LookOrder):
            (Look if order.look is LookPurpose.PROBE else Listing)(channel, order).run()
        else:
            Download(channel, order).run()
    except Exception as raised:  # noqa: BLE001 - every error is reported to the worker
        error = _root_failure(raised, preload.loaded_downloader().first_failure)
        code = classify_error(error, preload.loaded_downloader().last_debug_message)
        channel.send_event(_describe_failure(error, code))
    return 0


def _describe_failure(error: Exception, code: ErrorCode) -> Failed:
    entries = next((each.entries for each in error_chain(error) if isinstance(each, JobFailure) and each.entries), None)
    detail = f"{type(error).__name__}: {error}"[:MAX_TEXT]
    failed = Failed(code, detail, number_or_none(retry_after.find_retry_after(error)), entries)
    failed.yt_dlp_version = __version__[:MAX_VERSION]
    failed.final = any(isinstance(each, JobFailure) and each.final for each in error_chain(error))
    if code is ErrorCode.FORMAT_UNAVAILABLE:
        add_offered_formats(failed, preload.loaded_downloader().offered_formats)
    return failed


def _root_failure(raised: Exception, first_failure: Exception | None) -> Exception:
    """The real failure of parallel fragments: the first one closes the file, so that others raise a ValueError."""
    return first_failure if isinstance(raised, ValueError) and first_failure else raised


class Download:
    """One download in a child: from the order to the finished file."""

    def __init__(self, channel: Channel, order: DownloadOrder) -> None:
        self._channel = channel
        self._url = order.url
        self._format = Format.parse(order.format)
        self._max_duration, self._max_bytes = order.max_duration, order.max_bytes
        self._stall_seconds = order.stall_seconds
        self._extraction_stall_seconds = order.extraction_stall_seconds or order.stall_seconds
        self._chosen_formats: list[dict[str, Any]] = []
        self._all_formats: list[dict[str, Any]] = []
        self._format_ids: list[str] = []
        """of the chosen formats"""
        self._is_guess = False
        """whether yt-dlp takes a file for a video only because it is not a page"""
        self._is_found = self._is_wanted = False
        self._completeness = CompletenessCheck()
        self._progress = ProgressReporter(channel.send_event)
        self._growing_file: GrowingFileReporter | None = None
        self._audio_extractor: ExtractAudioPP | None = None
        self._evidence: Evidence | None = None
        self._last_body = self._finished_path = ""
        self._ydl = preload.loaded_downloader()

    def run(self) -> None:
        try:
            self._extract_and_download()
        except Exception as raised:  # noqa: BLE001 - it is raised again, unless there is a better one
            failure = raised
        else:
            return
        if self._is_guess and self._is_not_media(Path(self._last_body), failure):
            failure = JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the address leads to a file that is no media: {failure}")
        raise failure

    def _extract_and_download(self) -> None:
        smuggled_data.renew_key()
        self._configure_downloader()
        self._install_patches()
        self._ydl.stall_seconds = self._stall_seconds
        self._ydl.start_extraction(self._extraction_stall_seconds)
        self._ydl.extract_info(self._url)
        if not self._is_found:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        if self._is_wanted:
            self._finish(Path(self._finished_path))

    def _finish(self, path: Path) -> None:
        """Checks the finished file, and reports it."""
        probed = probing.probe_file(self._ydl, path)
        if (probed.duration or 0) > self._max_duration:
            raise JobFailure(ErrorCode.TOO_LONG)
        self._check_completeness(path, probed)
        self._channel.send_event(Done(probed.describe(path.name), self._collect_evidence()))

    def _is_not_media(self, path: Path, failure: Exception) -> bool:
        """Whether the download has failed because its body is not media."""
        is_other_failure = isinstance(failure, JobFailure) and failure.code is not ErrorCode.UNSUPPORTED_STREAM
        if is_other_failure or not path.is_file() or content_sniff.is_text_file(path):
            return False
        try:
            probing.probe_file(self._ydl, path)
        except JobFailure:
            return True
        return False

    def _check_completeness(self, path: Path, probed: probing.ProbedFile) -> None:
        """JobFailure where less has arrived than was announced."""
        made_mp3 = path.suffix == ".mp3" and self._chosen_formats[0].get("ext") != "mp3"
        source = self._audio_extractor.source_file if self._audio_extractor else None
        self._completeness.check_file(probed, self._chosen_formats, source=source, made_mp3=made_mp3)
        if completeness.lacks_audio(probed, self._chosen_formats, self._all_formats):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the sound, which is a stream of its own, was not chosen")

    def _configure_downloader(self) -> None:
        """Configures the preloaded YoutubeDL for this request."""
        ydl = self._ydl
        ydl.params.update(
            format=options.format_selector(self._format),
            merge_output_format=options.merge_output_format(self._format),
            match_filter=self._match_filter,
            logger=EventLogger(self._channel),
            retry_sleep_functions={
                "http": self._reporting(download_retries.file_pause),
                "fragment": self._reporting(download_retries.fragment_pause),
            },
        )
        ydl.format_selector = preload.format_selector_for(self._format.canonical())
        ydl.wants_video = self._format.quality is not Quality.AUDIO
        ydl.add_progress_hook(self._on_progress)
        ydl.add_post_hook(self._on_finished)
        ydl.on_list = self._reduce_list
        ydl.on_extractors = lambda names: self._channel.send_event(Extractors(names[:MAX_EXTRACTORS]))
        ydl.site_waits.on_wait = lambda seconds: self._channel.send_event(Waiting(seconds, asked=True))
        ydl.on_thumbnail = lambda path: self._channel.send_event(Thumbnail(Path(path).name))
        self._add_postprocessor()

    def _add_postprocessor(self) -> None:
        if self._format.quality is Quality.AUDIO:
            self._audio_extractor = ExtractAudioPP(self._ydl, self._format.container)
            self._ydl.add_post_processor(self._audio_extractor)
        elif self._format.container is not Container.ANY:
            self._ydl.add_post_processor(RemuxIntoContainerPP(self._ydl, self._format.container))

    def _install_patches(self) -> None:
        fragment_progress.install(self._report_progress)
        duration_limit.install(self._max_duration)
        hls_playlist_observer.install(self._completeness.note_playlist)
        ffmpeg_progress.install(self._ydl.params, self._channel.send_event)

    def _reduce_list(self, found: dict[str, Any]) -> bool:
        """Leaves the one video of a list that has no other. JobFailure for other lists."""
        self._ydl.other_videos += reduce_to_video(self._ydl, found)
        return False

    def _match_filter(self, info: dict[str, Any], *, incomplete: bool) -> str | None:
        """yt-dlp's match_filter: None to continue, else the reason to stop. The last call has the chosen formats."""
        if incomplete or self._is_found:
            return None
        streams = info.get("requested_formats") or [info]
        self._is_guess = self._ydl.body_starts.is_guessed_video(info)
        check_streams(self._ydl, info, streams, max_duration=self._max_duration, max_bytes=self._max_bytes)
        self._all_formats = info.get("formats") or []
        self._chosen_formats = [dict(stream) for stream in streams]  # copies, since postprocessors change them
        self._format_ids = [str(stream["format_id"]) for stream in streams]
        self._is_found = True
        found = describe_found(info, streams, self._ydl, self._url)
        self._channel.send_event(found)
        self._ydl.end_extraction()
        self._ydl.pace.renew()
        if found.identity.by_url:
            self._evidence = Evidence(self._ydl, self._chosen_formats)
        go = self._await_go_order()
        if go is None:
            return "it is in the bucket already"
        self._is_wanted = True
        self._ydl.pace.stop()
        self._ydl.params["concurrent_fragment_downloads"] = go.fragments
        if go.growing and growing_file.is_final_as_downloaded(self._format, streams):
            self._growing_file = GrowingFileReporter(
                partial(probing.probe_file, self._ydl),
                self._channel.send_event,
                self._max_duration,
                self._format.container,
                self._collect_evidence,
            )
        return None

    def _await_go_order(self) -> GoOrder | None:
        """The worker's order to go on, None where it says to stop. It may ask for the evidence first."""
        order = parse_order(self._channel.receive_order())
        if isinstance(order, EvidenceOrder):
            self._channel.send_event(EvidenceFound(self._evidence.request_now() if self._evidence else None))
            order = parse_order(self._channel.receive_order())
        return order if isinstance(order, GoOrder) else None

    def _on_progress(self, status: dict[str, Any]) -> None:
        """yt-dlp's progress hook, called for each block of a single body, and when any stream is complete."""
        finished = status["status"] == "finished"
        if max(status.get("total_bytes") or 0, status.get("downloaded_bytes") or 0) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        facts = {
            "finished": finished,
            "downloaded": status.get("downloaded_bytes"),
            "total": status.get("total_bytes"),
        }
        self._report_progress(status["info_dict"], facts)
        if finished:
            self._last_body = status["filename"]
            self._progress.flush()
        if self._growing_file:
            self._growing_file.note_progress(status)

    def _report_progress(self, info: dict[str, Any], facts: dict[str, Any]) -> None:
        """Reports the progress of one stream."""
        figures = {name: number_or_none(value) for name, value in facts.items() if name != "finished"}
        self._progress.update(Progress(self._stream_index(info), facts["finished"], **figures))

    def _stream_index(self, info: dict[str, Any]) -> int:
        format_id = str(info.get("format_id"))
        return self._format_ids.index(format_id) if format_id in self._format_ids else 0

    def _reporting(self, pause: Callable[..., float]) -> Callable[..., float]:
        """Wraps the function for the pause before a retry, so that each pause is reported."""

        def report_pause(n: int) -> float:
            seconds = pause(n)
            if seconds:
                self._channel.send_event(Waiting(seconds, asked=False))
            return seconds

        return report_pause

    def _collect_evidence(self) -> protocol.Evidence:
        return self._evidence.collect() if self._evidence else None

    def _on_finished(self, path: str) -> None:
        """yt-dlp's post hook: the file is complete and in its place."""
        self._finished_path = path
