"""Why a job failed: a stable code for programs, a sentence for a person, and whether trying again may help."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field


class ErrorCode(StrEnum):
    """The codes in a terminal message's `error.code`; docs/errors.md lists them."""

    INVALID_URL = "invalid_url"
    FORBIDDEN_ADDRESS = "forbidden_address"
    UNSUPPORTED_SITE = "unsupported_site"
    UNSUPPORTED_STREAM = "unsupported_stream"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    PRIVATE = "private"
    LOGIN_REQUIRED = "login_required"
    AGE_RESTRICTED = "age_restricted"
    GEO_BLOCKED = "geo_blocked"
    DRM = "drm"
    LIVE = "live"
    FORMAT_UNAVAILABLE = "format_unavailable"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    CERTIFICATE_INVALID = "certificate_invalid"
    RATE_LIMITED = "rate_limited"
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
    INTERNAL = "internal"

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return _SENTENCES[self]

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later; such failures are tried again before the job fails."""
        return self in _RETRYABLE


_SENTENCES = {
    ErrorCode.INVALID_URL: "This is not an address that a video can be fetched from. Check it and try again.",
    ErrorCode.FORBIDDEN_ADDRESS: "This address leads to a network that downloads are not allowed to reach.",
    ErrorCode.UNSUPPORTED_SITE: "No video was found at this address. Open the page of one video and paste its address.",
    ErrorCode.UNSUPPORTED_STREAM: "This video is sent in a way that can't be downloaded here.",
    ErrorCode.UNAVAILABLE: "The video is not there any more, or never was. Check the address.",
    ErrorCode.REFUSED: "The site refuses to give this video to this service.",
    ErrorCode.PRIVATE: "The video is private.",
    ErrorCode.LOGIN_REQUIRED: "The site shows this video only to people who are signed in.",
    ErrorCode.AGE_RESTRICTED: "The site asks for a proof of age before it shows this video.",
    ErrorCode.GEO_BLOCKED: "The site does not show this video in the region that this service runs in.",
    ErrorCode.DRM: "The video is protected against copying.",
    ErrorCode.LIVE: "The video is a live stream. Try again when it has ended and can be had as a recording.",
    ErrorCode.FORMAT_UNAVAILABLE: "The video does not exist in this format. Ask for another quality or container.",
    ErrorCode.TOO_LARGE: "The video is larger than this service allows. Ask for a lower quality.",
    ErrorCode.TOO_LONG: "The video is longer than this service allows.",
    ErrorCode.CERTIFICATE_INVALID: "The site's certificate, or its way to encrypt, can't be trusted. "
    "Try the site's other address, or tell its operator.",
    ErrorCode.RATE_LIMITED: "The site asks for fewer requests. Try again later.",
    ErrorCode.ORIGIN_ERROR: "The site answered with an error, or with less than the whole video. Try again later.",
    ErrorCode.NETWORK: "The site could not be reached, or the connection broke. Try again later.",
    ErrorCode.STALLED: "The site stopped sending. Try again later.",
    ErrorCode.STORAGE_DENIED: "The service may not write to its bucket. Its operator has to grant that.",
    ErrorCode.STORAGE_UNAVAILABLE: "The bucket can't be reached. Try again later.",
    ErrorCode.DISK_FULL: "The service has no room for this video now. Try again later.",
    ErrorCode.OUT_OF_MEMORY: "The service has no memory for this video now. Try again later.",
    ErrorCode.RESOURCES_EXCEEDED: "This video takes more memory or processes to fetch than this service allows.",
    ErrorCode.CONVERSION_FAILED: "The downloaded streams could not be put together into a playable file.",
    ErrorCode.WORKER_LOST: "The download was interrupted too often. Try again.",
    ErrorCode.TIMED_OUT: "The download took longer than this service allows.",
    ErrorCode.INTERNAL: "Something went wrong inside the service. Try again; tell its operator if it stays so.",
}

_RETRYABLE = {
    ErrorCode.RATE_LIMITED,
    ErrorCode.ORIGIN_ERROR,
    ErrorCode.NETWORK,
    ErrorCode.STALLED,
    ErrorCode.STORAGE_UNAVAILABLE,
    ErrorCode.DISK_FULL,
    ErrorCode.OUT_OF_MEMORY,
    ErrorCode.WORKER_LOST,
    ErrorCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed."""

    code: ErrorCode
    message: Annotated[str, Field(description="For a person.")]
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later.")]

    @classmethod
    def of(cls, code: ErrorCode) -> Self:
        return cls(code, code.sentence, code.retryable)


class JobFailure(Exception):
    """The error that ends an attempt. Its text is for the log; callers see the code's sentence.

    final: another attempt would not help, since this one has already repeated what may.
    retry_after: the seconds after which the site asked to be tried again.
    """

    def __init__(
        self, code: ErrorCode, detail: str = "", *, final: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail
        self.final = final
        self.retry_after = retry_after


class ProblemCode(StrEnum):
    """The `code` of the RFC 9457 problem documents of api and gateway."""

    INVALID_REQUEST = "invalid_request"
    INVALID_JSON = "invalid_json"
    INVALID_URL = "invalid_url"
    INVALID_HOST = "invalid_host"
    UNKNOWN_HOST = "unknown_host"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    JOB_NOT_FOUND = "job_not_found"
    JOB_NOT_ENDED = "job_not_ended"
    JOB_FAILED = "job_failed"
    JOB_COMPLETED = "job_completed"
    JOB_ENDED = "job_ended"
    JOB_BUSY = "job_busy"
    OBJECT_GONE = "object_gone"
    NO_THUMBNAIL = "no_thumbnail"
    LINK_INVALID = "link_invalid"
    LINK_EXPIRED = "link_expired"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    CORS_REFUSED = "cors_refused"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    TOO_MANY_REQUESTS = "too_many_requests"
    QUEUE_FULL = "queue_full"
    REDIS_FULL = "redis_full"
    REDIS_UNAVAILABLE = "redis_unavailable"
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
    ProblemCode.INVALID_REQUEST: (422, "The request's fields are not as they should be"),
    ProblemCode.INVALID_JSON: (400, "The request's body is no JSON"),
    ProblemCode.INVALID_URL: (422, "The address can't be downloaded from"),
    ProblemCode.INVALID_HOST: (400, "The Host header does not name one host"),
    ProblemCode.UNKNOWN_HOST: (421, "The service does not answer to this host"),
    ProblemCode.BODY_TOO_LARGE: (413, "The request's body is too large"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (415, "The request's body is not declared as JSON"),
    ProblemCode.NOT_FOUND: (404, "There is nothing at this path"),
    ProblemCode.METHOD_NOT_ALLOWED: (405, "The path does not take this method"),
    ProblemCode.JOB_NOT_FOUND: (404, "There is no such job"),
    ProblemCode.JOB_NOT_ENDED: (409, "The job has not ended"),
    ProblemCode.JOB_FAILED: (409, "The job ended without a file"),
    ProblemCode.JOB_COMPLETED: (409, "The job has completed"),
    ProblemCode.JOB_ENDED: (409, "The job has ended"),
    ProblemCode.JOB_BUSY: (503, "The job changes faster than it can be cancelled"),
    ProblemCode.OBJECT_GONE: (410, "The file is not in the bucket any more"),
    ProblemCode.NO_THUMBNAIL: (404, "The job has no picture"),
    ProblemCode.LINK_INVALID: (403, "The link is not one of ours"),
    ProblemCode.LINK_EXPIRED: (410, "The link has expired"),
    ProblemCode.RANGE_NOT_SATISFIABLE: (416, "The file does not have these bytes"),
    ProblemCode.CORS_REFUSED: (403, "Pages of this origin may not send this request"),
    ProblemCode.IDEMPOTENCY_MISMATCH: (422, "The Idempotency-Key was used for another request"),
    ProblemCode.TOO_MANY_REQUESTS: (429, "The caller sends too many requests"),
    ProblemCode.QUEUE_FULL: (503, "Too many downloads wait"),
    ProblemCode.REDIS_FULL: (503, "Redis has no memory for another job"),
    ProblemCode.REDIS_UNAVAILABLE: (503, "Redis can't be reached"),
    ProblemCode.STORAGE_UNAVAILABLE: (503, "The bucket can't be reached"),
    ProblemCode.NOT_READY: (503, "The service is not ready yet"),
    ProblemCode.MALFORMED_REQUEST: (400, "The request breaks the rules of HTTP"),
    ProblemCode.REQUEST_TIMEOUT: (408, "The request did not come in time"),
    ProblemCode.HEAD_TOO_LARGE: (431, "The request's line and headers are too large"),
    ProblemCode.UNKNOWN_METHOD: (501, "No path takes this method"),
    ProblemCode.UPGRADE_REQUIRED: (426, "The path is a WebSocket's"),
    ProblemCode.INVALID_HANDSHAKE: (400, "The WebSocket handshake is wrong"),
    ProblemCode.INTERNAL: (500, "Something went wrong inside the service"),
}
