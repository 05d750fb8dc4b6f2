"""Why a job failed: a stable code for programs, a sentence for a person, and whether trying again may help."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field


class Fault(StrEnum):
    """What a failure comes from."""

    REQUEST = "request"
    """the request or its video: no attempt of anybody could succeed"""
    SITE = "site"
    """the site, or the way there"""
    SERVICE = "service"
    """this service, which is to be held to its objectives"""


class ErrorCode(StrEnum):
    """The codes in a terminal message's `error.code`; docs/errors.md lists them."""

    INVALID_URL = "invalid_url"
    FORBIDDEN_ADDRESS = "forbidden_address"
    UNSUPPORTED_SITE = "unsupported_site"
    UNSUPPORTED_STREAM = "unsupported_stream"
    PLAYLIST = "playlist"
    EXTRACTOR_OUTDATED = "extractor_outdated"
    UNAVAILABLE = "unavailable"
    REMOVED = "removed"
    COPYRIGHT = "copyright"
    NOT_YET_AVAILABLE = "not_yet_available"
    REFUSED = "refused"
    PRIVATE = "private"
    PASSWORD_REQUIRED = "password_required"  # noqa: S105 - it is none
    LOGIN_REQUIRED = "login_required"
    MEMBERS_ONLY = "members_only"
    PREMIUM_ONLY = "premium_only"
    CREDENTIAL_REFUSED = "credential_refused"
    CREDENTIAL_MISSING = "credential_missing"
    AGE_RESTRICTED = "age_restricted"
    GEO_BLOCKED = "geo_blocked"
    CAPTCHA = "captcha"
    DRM = "drm"
    LIVE = "live"
    FORMAT_UNAVAILABLE = "format_unavailable"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    CERTIFICATE_INVALID = "certificate_invalid"
    RATE_LIMITED = "rate_limited"
    SESSION_LIMITED = "session_limited"
    BOT_CHECK = "bot_check"
    ORIGIN_ERROR = "origin_error"
    NETWORK = "network"
    STALLED = "stalled"
    STORAGE_DENIED = "storage_denied"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    RESOURCES_EXCEEDED = "resources_exceeded"
    CONVERSION_FAILED = "conversion_failed"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    BATCH_FAILED = "batch_failed"
    INTERNAL = "internal"

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return _SENTENCES[self]

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later; such failures are tried again before the job fails."""
        return self in _RETRYABLE

    @property
    def most_retries(self) -> int | None:
        """How often such a failure is tried again, besides tries for other failures; None: as the settings allow."""
        return _MOST_RETRIES.get(self)

    @property
    def fault(self) -> Fault:
        """What such a failure comes from."""
        if self in _FAULTS_OF_SITES:
            return Fault.SITE
        return Fault.SERVICE if self in _FAULTS_OF_SERVICE else Fault.REQUEST

    @property
    def concerns_operator(self) -> bool:
        """Whether an operator may have to do something, rather than who asked, or the site."""
        return self in _CONCERNS_OPERATOR

    @property
    def parks_site(self) -> bool:
        """Whether the site asks for fewer requests from this service: then none should go there for some time."""
        return self in _PAUSE_SENTENCES

    def pause_sentence(self, site: str) -> str:
        """Why downloads of the site wait, for a code that parks it."""
        return _PAUSE_SENTENCES[self].format(site=site)

    @property
    def shows_that_site_answers(self) -> bool:
        """Whether such a failure is the site's own answer about one video, so that other videos may go on."""
        return not self.retryable and self not in _TELLS_NOTHING_OF_SITE


_SENTENCES = {
    ErrorCode.INVALID_URL: "No video can be downloaded from this URL. Check the URL and try again.",
    ErrorCode.FORBIDDEN_ADDRESS: "This URL leads to a network that downloads may not reach. Use a URL on the "
    "public internet.",
    ErrorCode.UNSUPPORTED_SITE: "No video was found at this URL. Open the page of one video and paste its URL.",
    ErrorCode.UNSUPPORTED_STREAM: "This service can't download the kind of stream that the site sends. Look for "
    "the video on another page.",
    ErrorCode.PLAYLIST: "This URL leads to a list of videos. Take all or some of them as a batch "
    "(POST /api/batches), or paste the URL of one video.",
    ErrorCode.EXTRACTOR_OUTDATED: "This service doesn't understand what the site sent. Try again later. If the error "
    "stays, the site has changed: tell the service's operator.",
    ErrorCode.UNAVAILABLE: "The video does not exist, or can't be watched any more. Check the URL.",
    ErrorCode.REMOVED: "The video was removed by its owner or by the site. Look for it on another site.",
    ErrorCode.COPYRIGHT: "The video was removed or blocked after a copyright claim, so it can't be downloaded.",
    ErrorCode.NOT_YET_AVAILABLE: "The video is not available yet. Try again when the site shows it.",
    ErrorCode.REFUSED: "The site refused to send the video to this service. Look for the video on another site.",
    ErrorCode.PRIVATE: "The video is private. Ask its owner to make it public.",
    ErrorCode.PASSWORD_REQUIRED: "The video is protected by a password, which this service can't enter. Ask its owner "
    "for another link.",
    ErrorCode.LOGIN_REQUIRED: "The site shows this video only to signed-in users, and this service is not signed in.",
    ErrorCode.MEMBERS_ONLY: "Only members or subscribers of the channel can watch this video. Choose one that "
    "everybody can watch.",
    ErrorCode.PREMIUM_ONLY: "The site shows this video only to those who have paid for it. Choose one that is free.",
    ErrorCode.CREDENTIAL_REFUSED: "The site no longer accepts the cookies that this service has for it. Tell the "
    "service's operator.",
    ErrorCode.CREDENTIAL_MISSING: "This service has no cookies of the requested credential for this site. Leave the "
    "credential out, or tell the service's operator.",
    ErrorCode.AGE_RESTRICTED: "The site shows this video only after a proof of age, which this service can't give.",
    ErrorCode.GEO_BLOCKED: "The site does not show this video in the region where this service runs.",
    ErrorCode.CAPTCHA: "The site wants a captcha solved first, which this service can't do. Look for the video on "
    "another site.",
    ErrorCode.DRM: "The video is protected against copying (DRM), so it can't be downloaded.",
    ErrorCode.LIVE: "Live streams can't be downloaded. When the stream has ended, use the URL of its recording.",
    ErrorCode.FORMAT_UNAVAILABLE: "The video is not available in this format. Choose another quality or file type.",
    ErrorCode.TOO_LARGE: "The video is larger than this service allows. Choose a lower quality.",
    ErrorCode.TOO_LONG: "The video is longer than this service allows. Choose a shorter video.",
    ErrorCode.CERTIFICATE_INVALID: "The site's certificate or encryption can't be trusted. Try another URL of "
    "the site, or tell the site's operator.",
    ErrorCode.RATE_LIMITED: "The site asked for fewer requests. Try again later.",
    ErrorCode.SESSION_LIMITED: "The site sends this service no videos for some time, an hour at most as a rule. Try "
    "again later.",
    ErrorCode.BOT_CHECK: "The site takes this service for a bot and wants it to sign in. Try again later.",
    ErrorCode.ORIGIN_ERROR: "The site answered with an error, or sent only a part of the video. Try again later.",
    ErrorCode.NETWORK: "The site could not be reached, or the connection broke. Try again later.",
    ErrorCode.STALLED: "The site stopped sending data. Try again later.",
    ErrorCode.STORAGE_DENIED: "This service has no permission to write to its bucket. Tell its operator.",
    ErrorCode.STORAGE_UNAVAILABLE: "The bucket can't be reached. Try again later.",
    ErrorCode.DISK_FULL: "This service has no disk space for the video at the moment. Try again later.",
    ErrorCode.OUT_OF_MEMORY: "This service has no memory for the video at the moment. Try again later.",
    ErrorCode.RESOURCES_EXCEEDED: "Downloading this video takes more memory or processes than this service "
    "allows. Choose another quality, or tell the service's operator.",
    ErrorCode.CONVERSION_FAILED: "The downloaded streams could not be merged into a playable file. Try another "
    "quality or file type.",
    ErrorCode.WORKER_LOST: "The download was interrupted too often. Try again.",
    ErrorCode.TIMED_OUT: "The download took longer than this service allows. Choose a lower quality, or tell "
    "the service's operator.",
    ErrorCode.BATCH_FAILED: "All videos of the batch failed, for different reasons, which its jobs tell. Retry the "
    "batch to try them again.",
    ErrorCode.INTERNAL: "Something went wrong inside the service. Try again. If the error stays, tell the "
    "service's operator.",
}

_PAUSE_SENTENCES = {
    ErrorCode.RATE_LIMITED: "{site} asks for fewer requests.",
    ErrorCode.SESSION_LIMITED: "{site} sends this service no videos for some time.",
    ErrorCode.BOT_CHECK: "{site} takes this service for a bot.",
}

_TELLS_NOTHING_OF_SITE = {
    ErrorCode.INVALID_URL, ErrorCode.FORBIDDEN_ADDRESS, ErrorCode.CREDENTIAL_MISSING, ErrorCode.REFUSED,
    ErrorCode.CAPTCHA, ErrorCode.CERTIFICATE_INVALID, ErrorCode.STORAGE_DENIED, ErrorCode.RESOURCES_EXCEEDED,
    ErrorCode.TIMED_OUT,
}  # fmt: skip
"""of the final failures"""

_FAULTS_OF_SITES = {
    *_PAUSE_SENTENCES,
    ErrorCode.REFUSED,
    ErrorCode.CAPTCHA,
    ErrorCode.CREDENTIAL_REFUSED,
    ErrorCode.CERTIFICATE_INVALID,
    ErrorCode.ORIGIN_ERROR,
    ErrorCode.NETWORK,
    ErrorCode.STALLED,
}
_FAULTS_OF_SERVICE = {
    ErrorCode.EXTRACTOR_OUTDATED,
    ErrorCode.STORAGE_DENIED,
    ErrorCode.STORAGE_UNAVAILABLE,
    ErrorCode.DISK_FULL,
    ErrorCode.OUT_OF_MEMORY,
    ErrorCode.RESOURCES_EXCEEDED,
    ErrorCode.CONVERSION_FAILED,
    ErrorCode.WORKER_LOST,
    ErrorCode.TIMED_OUT,
    ErrorCode.INTERNAL,
}

_RETRYABLE = {
    *_PAUSE_SENTENCES,
    ErrorCode.EXTRACTOR_OUTDATED,
    ErrorCode.ORIGIN_ERROR,
    ErrorCode.NETWORK,
    ErrorCode.STALLED,
    ErrorCode.STORAGE_UNAVAILABLE,
    ErrorCode.DISK_FULL,
    ErrorCode.OUT_OF_MEMORY,
    ErrorCode.WORKER_LOST,
    ErrorCode.BATCH_FAILED,
    ErrorCode.INTERNAL,
}

_CONCERNS_OPERATOR = {
    *_FAULTS_OF_SERVICE,
    *_PAUSE_SENTENCES,
    ErrorCode.CAPTCHA,
    ErrorCode.CREDENTIAL_REFUSED,
    ErrorCode.CREDENTIAL_MISSING,
}

_MOST_RETRIES = {ErrorCode.EXTRACTOR_OUTDATED: 1}
"""A passing fault of a site looks like a change of it; that it is one shows the second time."""

MAX_COUNTED = 1000
"""entries of a list that are counted for the sentence that tells of it"""
MAX_SIZES_TOLD, MAX_CONTAINERS_TOLD = 8, 6


def playlist_sentence(entries: int | None) -> str:
    """The sentence of `playlist`, with the number of entries where it is known."""
    if entries is None:
        return ErrorCode.PLAYLIST.sentence
    number = f"{entries:,}" if entries <= MAX_COUNTED else f"more than {MAX_COUNTED:,}"
    return ErrorCode.PLAYLIST.sentence.replace("a list of videos", f"a list of {number} videos")


@dataclass(frozen=True, slots=True)
class OfferedFormats:
    """The formats in which a site has a video."""

    lines: tuple[int, ...] = ()
    """the sizes of its pictures, as Quality counts them"""
    containers: tuple[str, ...] = ()
    has_audio: bool = False
    """whether it has sound as a stream of its own"""


NO_FORMATS = OfferedFormats()


def formats_sentence(formats: OfferedFormats) -> str:
    """The sentence of `format_unavailable`, with what there is instead where that is known."""
    kinds = [f"{lines}p" for lines in sorted(formats.lines, reverse=True)[:MAX_SIZES_TOLD]]
    kinds += ["sound alone"] * formats.has_audio
    if not kinds:
        return ErrorCode.FORMAT_UNAVAILABLE.sentence
    containers = ", ".join(sorted(formats.containers)[:MAX_CONTAINERS_TOLD])
    offered = ", ".join(kinds) + f" ({containers})" * bool(containers)
    return ErrorCode.FORMAT_UNAVAILABLE.sentence.replace("format.", f"format, but as {offered}.")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed."""

    # Without yt-dlp's own words, which may quote what only an operator should read: the worker's log has them.
    code: Annotated[ErrorCode, Field(description="A stable code for programs.")]
    message: Annotated[str, Field(description="A sentence for a person that says what to do.")]
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later.")]
    site: Annotated[
        str | None,
        Field(
            description="The site of the URL: its host without www., and its port where that is not the web's. Null "
            "where the failure is of no site, such as the loss of a worker, and in failures of 0.2.0.",
            examples=["example.org"],
        ),
    ] = None
    yt_dlp_version: Annotated[
        str | None,
        Field(
            description="The version of yt-dlp that read the site. Null where something else failed, such as the "
            "bucket, and in failures of 0.2.0.",
            examples=["2026.10.26"],
        ),
    ] = None

    @classmethod
    def of(cls, code: ErrorCode, sentence: str = "", site: str = "", yt_dlp_version: str = "") -> Self:
        """sentence: what a person is told instead of the code's own sentence."""
        return cls(code, sentence or code.sentence, code.retryable, site or None, yt_dlp_version or None)


class JobFailure(Exception):
    """The error that ends an attempt. Its text is for the log; callers see the sentence.

    final: another attempt would not help, since this one has already repeated what may.
    retry_after: the seconds after which the site asked to be tried again.
    entries: how many entries a list has, for the code `playlist`.
    formats: the formats that there are, for the code `format_unavailable`.
    yt_dlp_version: the version of yt-dlp that found the failure; empty where something else did.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str = "",
        *,
        final: bool = False,
        retry_after: float | None = None,
        entries: int | None = None,
        formats: OfferedFormats = NO_FORMATS,
        yt_dlp_version: str = "",
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail
        self.final = final
        self.retry_after = retry_after
        self.entries = entries
        self.formats = formats
        self.yt_dlp_version = yt_dlp_version

    @property
    def log_fields(self) -> dict[str, str]:
        """What the log of an operator tells of it."""
        fields = {"code": self.code, "detail": self.detail, "yt_dlp_version": self.yt_dlp_version}
        return {name: value for name, value in fields.items() if value}

    @property
    def log_level(self) -> int:
        """How severe it is to an operator: a private video is none of theirs, a fault of Vidferry's own is."""
        if self.code is ErrorCode.INTERNAL:
            return logging.ERROR
        return logging.WARNING if self.code.concerns_operator else logging.INFO

    def describe(self, site: str = "") -> Failure:
        """What a job's document tells of it. site: of the URL; empty where none is concerned."""
        return Failure.of(self.code, self.sentence, site, self.yt_dlp_version)

    @property
    def sentence(self) -> str:
        """What a person is told."""
        if self.code is ErrorCode.PLAYLIST:
            return playlist_sentence(self.entries)
        if self.code is ErrorCode.FORMAT_UNAVAILABLE:
            return formats_sentence(self.formats)
        return self.code.sentence


class ProblemCode(StrEnum):
    """The `code` of the RFC 9457 problem documents of api and gateway."""

    INVALID_REQUEST = "invalid_request"
    INVALID_JSON = "invalid_json"
    INVALID_URL = "invalid_url"
    INVALID_HOST = "invalid_host"
    UNKNOWN_HOST = "unknown_host"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    TICKET_INVALID = "ticket_invalid"
    TICKET_EXPIRED = "ticket_expired"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    JOB_NOT_FOUND = "job_not_found"
    JOB_NOT_ENDED = "job_not_ended"
    JOB_FAILED = "job_failed"
    JOB_COMPLETED = "job_completed"
    JOB_ENDED = "job_ended"
    JOB_BUSY = "job_busy"
    OBJECT_NOT_FOUND = "object_not_found"
    OBJECT_GONE = "object_gone"
    PRECONDITION_FAILED = "precondition_failed"
    INDEX_INCOMPLETE = "index_incomplete"
    NO_THUMBNAIL = "no_thumbnail"
    LINK_INVALID = "link_invalid"
    LINK_EXPIRED = "link_expired"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    CORS_REFUSED = "cors_refused"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    WEBHOOK_UNAVAILABLE = "webhook_unavailable"
    EVENT_NOT_FOUND = "event_not_found"
    EVENT_WAITING = "event_waiting"
    TOO_MANY_REQUESTS = "too_many_requests"
    RATE_LIMIT = "rate_limit"
    QUOTA_EXCEEDED = "quota_exceeded"
    QUEUE_FULL = "queue_full"
    TOO_MANY_WAITS = "too_many_waits"
    REDIS_FULL = "redis_full"
    REDIS_UNAVAILABLE = "redis_unavailable"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    NOT_READY = "not_ready"
    MALFORMED_REQUEST = "malformed_request"
    REQUEST_TIMEOUT = "request_timeout"
    HEAD_TOO_LARGE = "head_too_large"
    UNKNOWN_METHOD = "unknown_method"
    UPGRADE_REQUIRED = "upgrade_required"
    INVALID_HANDSHAKE = "invalid_handshake"
    INTERNAL = "internal"

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return _PROBLEMS[self][0]

    @property
    def summary(self) -> str:
        """What is the matter, the same for every occurrence."""
        return _PROBLEMS[self][1]


_PROBLEMS = {
    ProblemCode.INVALID_REQUEST: (422, "The request's fields are not valid"),
    ProblemCode.INVALID_JSON: (400, "The request's body is not valid JSON"),
    ProblemCode.INVALID_URL: (422, "No video can be downloaded from this URL"),
    ProblemCode.INVALID_HOST: (400, "The Host header does not name exactly one host"),
    ProblemCode.UNKNOWN_HOST: (421, "This service does not answer requests for this host"),
    ProblemCode.BODY_TOO_LARGE: (413, "The request's body is too large"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (415, "The request's Content-Type is not JSON"),
    ProblemCode.UNAUTHENTICATED: (401, "The request has no valid API key or token"),
    ProblemCode.FORBIDDEN: (403, "The API key or token does not allow this"),
    ProblemCode.TICKET_INVALID: (401, "The ticket is not valid for this"),
    ProblemCode.TICKET_EXPIRED: (401, "The ticket has expired"),
    ProblemCode.NOT_FOUND: (404, "Nothing exists at this path"),
    ProblemCode.METHOD_NOT_ALLOWED: (405, "The path does not support this method"),
    ProblemCode.JOB_NOT_FOUND: (404, "No job has this id"),
    ProblemCode.JOB_NOT_ENDED: (409, "The job has not ended yet"),
    ProblemCode.JOB_FAILED: (409, "The job ended without a file"),
    ProblemCode.JOB_COMPLETED: (409, "The job has completed already"),
    ProblemCode.JOB_ENDED: (409, "The job has ended already"),
    ProblemCode.JOB_BUSY: (503, "The job's state changed too often to cancel it"),
    ProblemCode.OBJECT_NOT_FOUND: (404, "No object has this id"),
    ProblemCode.PRECONDITION_FAILED: (412, "The object is not as If-Match says"),
    ProblemCode.INDEX_INCOMPLETE: (503, "The list of objects is being made"),
    ProblemCode.OBJECT_GONE: (410, "The file is no longer in the bucket"),
    ProblemCode.NO_THUMBNAIL: (404, "The job has no thumbnail"),
    ProblemCode.LINK_INVALID: (403, "The link's signature is not valid"),
    ProblemCode.LINK_EXPIRED: (410, "The link has expired"),
    ProblemCode.RANGE_NOT_SATISFIABLE: (416, "The requested range is outside the file"),
    ProblemCode.CORS_REFUSED: (403, "Pages of this origin may not send this request"),
    ProblemCode.IDEMPOTENCY_MISMATCH: (422, "The Idempotency-Key was used for a different request"),
    ProblemCode.WEBHOOK_UNAVAILABLE: (422, "This service has no secret to sign the owner's webhooks with"),
    ProblemCode.EVENT_NOT_FOUND: (404, "The job has no event with this id"),
    ProblemCode.EVENT_WAITING: (409, "The event has not been delivered or given up yet"),
    ProblemCode.TOO_MANY_REQUESTS: (429, "The client sent too many requests"),
    ProblemCode.RATE_LIMIT: (429, "The API key has sent its requests of this minute"),
    ProblemCode.QUOTA_EXCEEDED: (429, "A limit of this owner is reached"),
    ProblemCode.QUEUE_FULL: (503, "Too many downloads are waiting"),
    ProblemCode.TOO_MANY_WAITS: (503, "Too many requests wait for jobs to change"),
    ProblemCode.REDIS_FULL: (503, "Redis has no memory left for new jobs"),
    ProblemCode.REDIS_UNAVAILABLE: (503, "Redis can't be reached"),
    ProblemCode.ISSUER_UNAVAILABLE: (503, "The issuer of the token can't be reached"),
    ProblemCode.STORAGE_UNAVAILABLE: (503, "The bucket can't be reached"),
    ProblemCode.NOT_READY: (503, "The service is not ready yet"),
    ProblemCode.MALFORMED_REQUEST: (400, "The request is not valid HTTP"),
    ProblemCode.REQUEST_TIMEOUT: (408, "The request took too long to arrive"),
    ProblemCode.HEAD_TOO_LARGE: (431, "The request line and headers are too large"),
    ProblemCode.UNKNOWN_METHOD: (501, "No path supports this method"),
    ProblemCode.UPGRADE_REQUIRED: (426, "The path serves WebSockets only"),
    ProblemCode.INVALID_HANDSHAKE: (400, "The WebSocket handshake is not valid"),
    ProblemCode.INTERNAL: (500, "Something went wrong inside the service"),
}
