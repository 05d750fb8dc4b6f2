"""Evidence of what an origin served: by it, the worker later knows whether a stored video is still the same.

For a file: its URL and its validators (RFC 9110 §8.8), from the response with its bytes. For a segmented stream: a
digest of the listed segments, and the validators of some of them, since the list may stay the same when they change.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.segment_listing import (
    SegmentListing,
    list_fragments,
    list_playlist_segments,
    normalize_url,
)
from vidferry_worker.child.site_downloader import SiteDownloader
from vidferry_worker.child.validators import (
    Validators,
    digest_lines,
    has_validator,
    read_validators,
    without_signature,
)

MAX_PARALLEL_REQUESTS = 4
REQUEST_TIMEOUT = 5.0
"""seconds; without a response the video is downloaded again"""


class Evidence:
    """Collects the evidence of a video's streams, from all responses after it was made."""

    def __init__(self, ydl: SiteDownloader, streams: Sequence[dict[str, Any]]) -> None:
        self._ydl, self._streams = ydl, streams
        self._wanted: dict[str, Mapping[str, str]] = {}
        """URLs whose validators are needed, with the headers for a request"""
        self._validators: dict[str, Validators] = {}
        """by URL"""
        self._listings: dict[int, SegmentListing | None] = {}
        """by the stream's number, since all streams of a DASH manifest have its URL"""
        self._playlists = {_stream_url(stream): number for number, stream in enumerate(streams) if _is_hls(stream)}
        for number, stream in enumerate(streams):
            if not _is_segmented(stream):
                self._wanted[_stream_url(stream)] = _stream_headers(stream)
            elif not _is_hls(stream):
                self._keep_listing(number, list_fragments(stream))
        ydl.on_response = self._note_response

    def collect(self) -> list[Validators] | None:
        """The evidence of each stream, from the responses so far; None where a stream has none."""
        found = [self._stream_evidence(number) for number in range(len(self._streams))]
        return [each for each in found if each] if all(found) else None

    def request_now(self) -> list[Validators] | None:
        """The evidence of each stream now: from the extraction's responses, and by requests for the rest."""
        for url, number in self._playlists.items():
            self._send_request(Request(url, headers=_stream_headers(self._streams[number])), read=True)
        for url in self._wanted.keys() & self._ydl.final_urls.keys():
            self._validators[url] = read_validators(self._ydl.final_urls[url], self._ydl.headers_by_url[url])
        with ThreadPoolExecutor(MAX_PARALLEL_REQUESTS) as pool:
            for url in self._wanted.keys() - self._validators.keys():
                pool.submit(self._request_validators, url)
        found = self.collect()
        self._validators.clear()  # if the video is downloaded, the responses with its bytes count
        return found

    def _request_validators(self, url: str) -> None:
        """Sends HEAD, or GET where that is refused, for instance because the URL is signed for one method."""
        headers = {**self._wanted[url], "Accept-Encoding": "identity"}
        if not self._send_request(Request(url, headers=headers, method="HEAD")):
            self._send_request(Request(url, headers=headers))

    def _send_request(self, request: Request, *, read: bool = False) -> bool:
        """Sends a request, whose response _note_response gets; False where the origin refuses it."""
        request.extensions["timeout"] = REQUEST_TIMEOUT
        try:
            with self._ydl.urlopen(request) as response:
                if read:
                    response.read()
        except HTTPError:
            return False
        except (RequestError, JobFailure):
            pass
        return True

    def _note_response(self, url: str, response: Response) -> None:
        if url in self._wanted:
            self._validators[url] = read_validators(response.url, response.headers)
        number = self._playlists.get(url)
        if number is not None:
            read = response.read

            def read_and_keep(*amount: int) -> Any:
                data = read(*amount)
                if not amount:
                    self._keep_listing(number, list_playlist_segments(response.url, data.decode(errors="replace")))
                return data

            response.read = read_and_keep

    def _keep_listing(self, number: int, listing: SegmentListing | None) -> None:
        self._listings[number] = listing
        if listing:
            self._wanted.update(dict.fromkeys(listing.sample, _stream_headers(self._streams[number])))

    def _stream_evidence(self, number: int) -> Validators | None:
        stream = self._streams[number]
        if not _is_segmented(stream):
            return self._validators_of(_stream_url(stream))
        listing = self._listings.get(number)
        segments = [self._validators_of(url) for url in listing.sample] if listing else []
        if not listing or not segments or not all(segments):
            return None
        lines = (f"{name}: {value}" for each in segments if each for name, value in each.items())
        return {
            "url": digest_lines([without_signature(_stream_url(stream))]),
            "list": listing.digest,
            "segments": digest_lines(lines),
        }

    def _validators_of(self, url: str) -> Validators | None:
        validators = self._validators.get(url)
        return validators if validators and has_validator(validators) else None


def _stream_url(stream: Mapping[str, Any]) -> str:
    return normalize_url(str(stream["url"]))


def _stream_headers(stream: Mapping[str, Any]) -> Mapping[str, str]:
    return stream.get("http_headers") or {}


def _is_hls(stream: Mapping[str, Any]) -> bool:
    return stream.get("protocol") == "m3u8_native"


def _is_segmented(stream: Mapping[str, Any]) -> bool:
    return _is_hls(stream) or str(stream.get("protocol")).startswith("http_dash_segments")
