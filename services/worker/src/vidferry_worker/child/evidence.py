"""By what an origin tells, later, whether a video is still the one that was downloaded.

Of a file: its address and its validators (RFC 9110 §8.8), as they came with its bytes. Of a list of segments: what is
listed, and the addresses and validators of some segments, since a list may stay as it is while others lie behind it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime as _date
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.preload import SiteDownloader

SAMPLE_SIZE = 8
"""segments of a stream that are looked at; of a short list, all"""
MAX_FRAGMENTS = 100_000
"""of a manifest: a day in segments of a second"""
MAX_PARALLEL_REQUESTS = 4
REQUEST_TIMEOUT = 5.0
"""for which an origin may keep one question waiting; without an answer the video is fetched anew"""
MAX_VALIDATOR = 200
"""characters of a validator"""
# What a storage service or a CDN adds to an address for a while, by its own documentation: Amazon S3 and Google Cloud
# Storage (X-…), CloudFront, Akamai. The rest of the address names the file.
SIGNATURES = frozenset({"expires", "signature", "key-pair-id", "policy", "hdnts", "hdnea", "hdntl"})
SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")

T = TypeVar("T")
Validators = dict[str, str]
"""`url`, as a digest, and the validators that came with it"""


@dataclass(frozen=True, slots=True)
class SegmentListing:
    """A list of segments, by its digest and a sample of them."""

    digest: str
    sample: tuple[str, ...]
    """addresses of segments"""


class Evidence:
    """The evidence of one video's streams. Listens to all that the origin answers from here on."""

    def __init__(self, ydl: SiteDownloader, streams: Sequence[dict[str, Any]]) -> None:
        self._ydl, self._streams = ydl, streams
        self._wanted: dict[str, Mapping[str, str]] = {}
        """addresses whose validators count, and the headers to ask for them with"""
        self._answers: dict[str, Validators] = {}
        self._listings: dict[int, SegmentListing | None] = {}
        """by the number of the stream: those of a DASH manifest all have its address"""
        self._playlists = {_stream_url(stream): number for number, stream in enumerate(streams) if _is_hls(stream)}
        for number, stream in enumerate(streams):
            if not _is_segmented(stream):
                self._wanted[_stream_url(stream)] = _stream_headers(stream)
            elif not _is_hls(stream):
                self._keep_listing(number, list_fragments(stream))
        ydl.on_response = self._note_response

    def collect(self) -> list[Validators] | None:
        """A stream's evidence each, as it was seen while they came; None where one of them has none."""
        found = [self._stream_evidence(number) for number in range(len(self._streams))]
        return [each for each in found if each] if all(found) else None

    def request_now(self) -> list[Validators] | None:
        """The same, by what extraction has seen, and for the rest by asking the origin now."""
        for address, number in self._playlists.items():
            self._send_request(Request(address, headers=_stream_headers(self._streams[number])), read=True)
        for address in self._wanted.keys() & self._ydl.final_urls.keys():
            self._answers[address] = read_validators(self._ydl.final_urls[address], self._ydl.headers_by_url[address])
        with ThreadPoolExecutor(MAX_PARALLEL_REQUESTS) as pool:
            for address in self._wanted.keys() - self._answers.keys():
                pool.submit(self._request_validators, address)
        found = self.collect()
        self._answers.clear()  # if it is downloaded, what comes with its bytes counts
        return found

    def _request_validators(self, address: str) -> None:
        """By HEAD; by GET where that is refused, as of an address that is signed for one method."""
        headers = {**self._wanted[address], "Accept-Encoding": "identity"}
        if not self._send_request(Request(address, headers=headers, method="HEAD")):
            self._send_request(Request(address, headers=headers))

    def _send_request(self, request: Request, *, read: bool = False) -> bool:
        """Has _see hear the answer; False where the origin refuses one."""
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

    def _note_response(self, address: str, response: Response) -> None:
        if address in self._wanted:
            self._answers[address] = read_validators(response.url, response.headers)
        number = self._playlists.get(address)
        if number is not None:
            read = response.read

            def read_and_look(*amount: int) -> Any:
                data = read(*amount)
                if not amount:
                    self._keep_listing(number, list_playlist_segments(response.url, data.decode(errors="replace")))
                return data

            response.read = read_and_look

    def _keep_listing(self, number: int, listing: SegmentListing | None) -> None:
        self._listings[number] = listing
        if listing:
            self._wanted.update(dict.fromkeys(listing.sample, _stream_headers(self._streams[number])))

    def _stream_evidence(self, number: int) -> Validators | None:
        stream = self._streams[number]
        if not _is_segmented(stream):
            return _with_validator(self._answers.get(_stream_url(stream)))
        listing = self._listings.get(number)
        segments = [_with_validator(self._answers.get(each)) for each in listing.sample] if listing else []
        if not listing or not segments or not all(segments):
            return None
        told = (f"{name}: {value}" for each in segments if each for name, value in each.items())
        return {
            "url": digest_lines([without_signature(_stream_url(stream))]),
            "list": listing.digest,
            "segments": digest_lines(told),
        }


def read_validators(url: str, headers: Any) -> Validators:
    """Its address and validators. A tag's weakness does not count, as where a cache asks (RFC 9110 §13.1.2)."""
    told = {
        "etag": _read_header(headers, "ETag").removeprefix("W/"),
        "last-modified": "" if _has_just_changed(headers) else _read_header(headers, "Last-Modified"),
        "content-length": _read_header(headers, "Content-Range").rpartition("/")[2].strip("*")
        or _read_header(headers, "Content-Length"),
    }
    return {"url": digest_lines([without_signature(url)])} | {name: value for name, value in told.items() if value}


def list_playlist_segments(url: str, text: str) -> SegmentListing | None:
    """Of an HLS media playlist: all of it counts but comments (RFC 8216 §4.1)."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and (line[0] != "#" or line[:4] == "#EXT")]
    with suppress(ValueError):  # an address that is none
        digest = digest_lines(line if line[0] == "#" else without_signature(line) for line in lines)
        return SegmentListing(
            digest, tuple(_normalize_url(urljoin(url, each)) for each in _sample_evenly([*_segment_urls(lines)]))
        )
    return None


def list_fragments(stream: Mapping[str, Any]) -> SegmentListing | None:
    """Of a stream whose fragments extraction has listed, as of DASH; None where they are made as they are asked for."""
    fragments, base = stream.get("fragments"), str(stream.get("fragment_base_url") or "")
    if not isinstance(fragments, Sequence) or len(fragments) > MAX_FRAGMENTS:
        return None
    with suppress(ValueError, KeyError):
        parts = [
            (str(each.get("url") or urljoin(base, each["path"])), str(each.get("byte_range") or ""))
            for each in fragments
        ]
        digest = digest_lines(f"{without_signature(address)} {part}" for address, part in parts)
        return SegmentListing(digest, tuple(_normalize_url(address) for address, _ in _sample_evenly(parts)))
    return None


def without_signature(url: str) -> str:
    """The address without its fragment, and without what a storage service has signed it with."""
    if "?" not in url and "#" not in url:
        return url
    split = urlsplit(url)
    pairs = parse_qsl(split.query, keep_blank_values=True)
    kept = [pair for pair in pairs if not _is_signature(pair[0].lower())]
    query = urlencode(kept) if len(kept) < len(pairs) else split.query
    return split._replace(query=query, fragment="").geturl()


def _read_header(headers: Any, name: str) -> str:
    return str(headers.get(name) or "")[:MAX_VALIDATOR].encode(errors="replace").decode()


def _is_signature(name: str) -> bool:
    return name in SIGNATURES or name.startswith(SIGNATURE_PREFIXES)


def _with_validator(answer: Validators | None) -> Validators | None:
    """The answer, where it tells more than a length: that is no validator."""
    return answer if answer and answer.keys() & {"etag", "last-modified"} else None


def _has_just_changed(headers: Any) -> bool:
    """Whether the date may be that of two contents, of one second (RFC 9110 §8.8.2.2)."""
    try:
        age = _date(_read_header(headers, "Date")) - _date(_read_header(headers, "Last-Modified"))
    except (TypeError, ValueError):  # one is missing, or says nothing
        return False
    return age.total_seconds() < 1


def _segment_urls(lines: Iterable[str]) -> Iterator[str]:
    """All that a playlist names, but those that it says are missing."""
    is_missing = False
    for line in lines:
        if not line.startswith("#") and not is_missing:
            yield line
        is_missing = line == "#EXT-X-GAP" or (is_missing and line.startswith("#"))


def _sample_evenly(segments: Sequence[T]) -> list[T]:
    """The first, the last, and some between them."""
    last = len(segments) - 1
    return [
        segments[at] for at in sorted({number * last // (SAMPLE_SIZE - 1) for number in range(SAMPLE_SIZE)}) if segments
    ]


def digest_lines(parts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(f"{part}\n".encode(errors="surrogatepass"))
    return whole.hexdigest()[:40]


def _normalize_url(url: str) -> str:
    """The address in the form in which it is asked for."""
    return str(Request(url).url)


def _stream_url(stream: Mapping[str, Any]) -> str:
    return _normalize_url(str(stream["url"]))


def _stream_headers(stream: Mapping[str, Any]) -> Mapping[str, str]:
    return stream.get("http_headers") or {}


def _is_hls(stream: Mapping[str, Any]) -> bool:
    return stream.get("protocol") == "m3u8_native"


def _is_segmented(stream: Mapping[str, Any]) -> bool:
    return _is_hls(stream) or str(stream.get("protocol")).startswith("http_dash_segments")
