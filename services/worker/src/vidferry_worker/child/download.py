"""One download in a child: extract, ask whether to go on, download, put together.

Orders from the worker: first the request, then after `found` `{"go": true, "fragments": …, "growing": …}` or
`{"go": false}`, before that perhaps `{"ask": true}`: whether the origin still has what it had. Events to it: `found`,
`evidence` where it was asked for, `picture`, `progress`, `growing`, `converting`, `done` or `failed`; channel.py adds
`connect`, the logger `log`.
"""

import socket
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.downloader.common import FileDownloader
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.postprocessor.ffmpeg import FFmpegExtractAudioPP, FFmpegVideoRemuxerPP
from yt_dlp.utils import DownloadError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_worker.child import conversions, fragments, growing, identity, lengths, options, probing, programs, warm
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.classify import classify
from vidferry_worker.child.connections import route_through
from vidferry_worker.child.evidence import Evidence
from vidferry_worker.child.reports import Reports

BLOCK_SECONDS = 0.2
MIN_BLOCK, MAX_BLOCK = 1024, 4 * 1024**2
"""bytes"""
NATIVE = frozenset({"http", "https", "m3u8_native", "http_dash_segments", "http_dash_segments_generator"})
"""Protocols that yt-dlp speaks itself; the others would need ffmpeg's own network."""


def run(sock: socket.socket) -> int:
    """Serves one request over the channel; the exit code of the child."""
    programs.hold()
    channel = Channel(sock)
    route_through(channel)
    request = channel.order()
    try:
        Download(channel, request).run()
    except Exception as raised:  # noqa: BLE001 - whatever went wrong is told to the worker
        error = _reason(raised, warm.downloader().gave_up)
        channel.tell(
            "failed", code=classify(error, warm.downloader().said), detail=f"{type(error).__name__}: {error}"[:2000]
        )
    return 0


def _reason(raised: Exception, gave_up: str) -> Exception:
    """Of fragments that come side by side, one that is given up closes the file; the others stumble over that first."""
    return DownloadError(gave_up) if isinstance(raised, ValueError) and gave_up else raised


class Download:
    """The life of one request within the child."""

    def __init__(self, channel: Channel, request: dict[str, Any]) -> None:
        self._channel = channel
        self._url = request["url"]
        self._format = Format.parse(request["format"])
        self._max_duration, self._max_bytes = request["max_duration"], request["max_bytes"]
        self._stall_seconds = request["stall_seconds"]
        self._streams: list[str] = []
        self._reports = Reports(channel.tell)
        self._growing: growing.Growing | None = None
        self._evidence: Evidence | None = None
        self._asked = self._wanted = False
        self._path = ""
        self._ydl = warm.downloader()

    def run(self) -> None:
        self._prepare()
        self._ydl.silence.begin(self._stall_seconds)
        self._ydl.extract_info(self._url)
        if not self._asked:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        if self._wanted:
            path = Path(self._path)
            found = probing.probe(self._ydl, path)
            if (found.duration or 0) > self._max_duration:
                raise JobFailure(ErrorCode.TOO_LONG)
            self._tell_file("done", file=path.name, duration=found.duration, video=found.has_video)

    def _prepare(self) -> None:
        """Makes the warm downloader this request's."""
        ydl, params = self._ydl, self._ydl.params
        params.update(
            format=options.select(self._format),
            merge_output_format=options.merge_container(self._format),
            match_filter=self._decide,
            logger=_Logger(self._channel),
        )
        ydl.format_selector = warm.selector(self._format.canonical())
        ydl.add_progress_hook(self._progress)
        ydl.add_post_hook(self._ended)
        ydl.on_thumbnails = lambda path: self._channel.tell("picture", file=Path(path).name)
        if self._format.quality is Quality.AUDIO:
            ydl.add_post_processor(_ExtractAudio(ydl, _audio_codec(self._format.container)))
        elif self._format.container is Container.MKV:
            ydl.add_post_processor(FFmpegVideoRemuxerPP(ydl, "mkv"))
        fragments.count_with(lambda info, facts: self._reports.put(self._stream(info), facts))
        lengths.hold(self._max_duration)
        conversions.watch(params, self._channel.tell)
        FFmpegFD.real_download = _refuse_ffmpeg
        FileDownloader.best_block_size = staticmethod(block_size)
        FileDownloader.report_progress = lambda *_: None  # it words each block's sentence, though nobody reads it

    def _decide(self, info: dict[str, Any], *, incomplete: bool) -> str | None:
        """yt-dlp's match_filter: None goes on, a reason stops. Called with the chosen formats once all is known."""
        if incomplete or self._asked:
            return None
        streams = info.get("requested_formats") or [info]
        self._check(info, streams)
        self._streams = [str(stream["format_id"]) for stream in streams]
        self._asked = True
        found = self._found(info, streams)
        self._channel.tell("found", **found)
        self._ydl.silence.end()
        if found["identity"]["by_address"]:
            self._evidence = Evidence(self._ydl, streams)
        order = self._channel.order()
        if order.get("ask"):
            self._channel.tell("evidence", evidence=self._evidence.ask() if self._evidence else None)
            order = self._channel.order()
        self._wanted = bool(order["go"])
        self._ydl.params["concurrent_fragment_downloads"] = order.get("fragments", 1)
        if order.get("growing") and growing.is_kept(self._format, streams):
            look = partial(probing.probe, self._ydl)
            self._growing = growing.Growing(look, self._tell_file, self._max_duration)
        return None if self._wanted else "it is in the bucket already"

    def _check(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> None:
        if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
            raise JobFailure(ErrorCode.LIVE)
        if any(stream.get("has_drm") for stream in streams):
            raise JobFailure(ErrorCode.DRM)
        foreign = {str(stream.get("protocol")) for stream in streams} - NATIVE
        if foreign:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"protocol {', '.join(sorted(foreign))}")
        schemes = {urlsplit(str(stream.get("url"))).scheme.lower() for stream in streams} - warm.SCHEMES
        if schemes:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"scheme {', '.join(sorted(schemes))}")
        if max(info.get("duration") or 0, *map(lengths.of_fragments, streams)) > self._max_duration:
            raise JobFailure(ErrorCode.TOO_LONG)
        if sum(stream.get("filesize") or 0 for stream in streams) > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)

    def _found(self, info: dict[str, Any], streams: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "identity": identity.identify(info),
            "title": _title(info),
            "duration": info.get("duration"),
            "source": str(info.get("webpage_url") or self._url)[:2000],
            "streams": [
                {
                    "bit_rate": stream.get("tbr") or _usual_bit_rate(stream),
                    "bytes": stream.get("filesize") or stream.get("filesize_approx"),
                    "exact": bool(stream.get("filesize")),
                }
                for stream in streams
            ],
        }

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
        self._reports.put(self._stream(seen["info_dict"]), facts)
        if finished:
            self._reports.flush()
        if self._growing:
            self._growing.see(seen)

    def _stream(self, info: dict[str, Any]) -> int:
        name = str(info.get("format_id"))
        return self._streams.index(name) if name in self._streams else 0

    def _tell_file(self, event: str, **facts: Any) -> None:
        """Tells of the file, and by what its origin will know it again."""
        self._channel.tell(event, **facts, evidence=self._evidence.seen() if self._evidence else None)

    def _ended(self, path: str) -> None:
        """yt-dlp's post hook: the file is complete and where it stays."""
        self._path = path


def _usual_bit_rate(stream: dict[str, Any]) -> float:
    """kbit/s of a stream that doesn't tell them: what weighs a film against its sound must be roughly true."""
    if stream.get("vcodec") == "none":
        return 128.0
    return 3.0 * (stream.get("height") or 720)


def _title(info: dict[str, Any]) -> str:
    """yt-dlp numbers the players of a page, also where there is one; the first is what is fetched."""
    title = str(info.get("title") or "")[:500]
    return title.removesuffix(" (1)") if info.get("extractor_key") == "HTML5MediaEmbed" else title


def block_size(elapsed: float, count: int) -> int:
    """How much to read at once, after count bytes took elapsed seconds: yt-dlp tells its progress block by block.

    Its own choice is a second's worth; a message is to leave every half of one.
    """
    rate = count / max(elapsed, 0.001)
    return int(min(max(rate * BLOCK_SECONDS, count / 2, MIN_BLOCK), count * 2, MAX_BLOCK))


class _ExtractAudio(FFmpegExtractAudioPP):  # type: ignore[misc]  # yt-dlp publishes no types
    """Takes the sound out of a file; encodes it for mp3 alone."""

    def run(self, information: dict[str, Any]) -> Any:
        if self.mapping == "m4a" and self.get_audio_codec(information["filepath"]) != "aac":
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, "the sound is no AAC")
        return super().run(information)


def _audio_codec(container: Container) -> str:
    return "best" if container is Container.ANY else container.value


def _refuse_ffmpeg(*_: Any) -> None:
    raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "ffmpeg would have to fetch it")


class _Logger:
    """yt-dlp's log, as events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def debug(self, text: str) -> None:
        self._channel.tell("log", text=text[:2000])

    info = warning = error = debug
