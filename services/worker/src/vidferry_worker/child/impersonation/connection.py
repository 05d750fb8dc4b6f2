"""A connection of libcurl to one host, on a socket that the broker connected.

It serves one request at a time, in the thread that reads the response: libcurl does nothing while nobody reads. No two
threads, hosts or requests ever share a handle of libcurl, its socket, or its options.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import certifi
from curl_cffi import Curl, CurlOpt, ffi, lib
from curl_cffi.const import CurlECode, CurlMOpt

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.impersonation.errors import TransferError
from vidferry_worker.child.impersonation.response_head import ResponseHead
from vidferry_worker.child.request_limits import MAX_PAGE_BYTES

MAX_UNREAD = MAX_PAGE_BYTES
"""Bytes that one step of libcurl may bring, after decompression. It reads little more than 100 kB at once, so these are
bytes of a bomb."""
MAX_REDIRECT_BODY = 64 * 1024
"""bytes of a redirect's body, which is read to keep its connection, after decompression"""
ENCODINGS = "gzip, deflate, br, zstd"
"""that are decompressed; what is asked for is the browser's"""
LONGEST_POLL = 1000
"""milliseconds"""
_ALREADY_CONNECTED, _BAD_SOCKET = 2, -1  # CURL_SOCKOPT_ALREADY_CONNECTED, CURL_SOCKET_BAD
_NOWHERE = b"::192.0.2.1:"
"""An address for all hosts (RFC 5737), so that libcurl resolves no name. It never connects there, nor anywhere."""
_DONE = 1  # CURLMSG_DONE

Connect = Callable[[str, int, float], socket.socket]
"""connects to a host and port, in so many seconds"""


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int
    target: str
    """libcurl's name of the browser"""


def load_library() -> None:
    """Has libcurl initialize itself, which it does with its first handle. The zygote does so for all children."""
    Curl().close()


class Connection:
    """A connection to one origin, for one request after the other."""

    def __init__(self, origin: Origin, connect: Connect) -> None:
        self.origin, self._connect = origin, connect
        self._curl = Curl(cacert=certifi.where())
        self._multi = ffi.gc(lib.curl_multi_init(), lib.curl_multi_cleanup)
        lib.curl_multi_setopt(self._multi, CurlMOpt.MAXCONNECTS, ffi.cast("void*", 1))
        self._self = ffi.new_handle(self)
        self._is_added = self._is_done = False
        self._failure: BaseException | None = None
        self._unread = bytearray()
        self._timeout, self._deadline = 0.0, 0.0
        self.head = ResponseHead()

    def send(self, method: str, url: str, headers: list[bytes], cookie: str | None, body: bytes | None,
             timeout: float) -> ResponseHead:  # fmt: skip
        """Sends a request, and returns when the head of the response has come.

        TransferError, TimeoutError where nothing came for so many seconds, or what connect() raises.
        """
        self._finish()
        self._curl.clean_handles_and_buffers()
        self._curl.reset()
        self._is_done, self._failure, self.head = False, None, ResponseHead()
        self._unread.clear()
        self._timeout = timeout
        self._set_options(method, url, headers, cookie, body)
        _check(lib.curl_multi_add_handle(self._multi, self._curl._curl))  # noqa: SLF001 - there is no public name
        self._is_added = True
        self._note_progress()
        while not (self.head.is_complete or self._is_done):
            self._advance()
        if not self.head.is_complete:
            raise self._failure or TransferError(CurlECode.GOT_NOTHING, "the response has no head")
        return self.head

    def read(self, amount: int | None) -> bytes:
        """So many bytes of the body, fewer at its end, or before its failure; all of it without an amount.

        The errors of send(), where the body ends too early.
        """
        self._note_progress()
        while not self._is_done and (amount is None or len(self._unread) < amount):
            self._advance()
        if self._failure and (amount is None or not self._unread):
            raise self._failure
        if amount is None:
            amount = len(self._unread)
        data = bytes(self._unread[:amount])
        del self._unread[:amount]
        return data

    @property
    def is_read(self) -> bool:
        """Whether the whole response was read, so that another request may be sent."""
        return self._is_done and not self._unread and self._failure is None

    def close(self) -> None:
        """Closes the connection, amid a response too."""
        if self._multi is None:
            return
        self._finish()
        self._curl.close()
        ffi.release(self._multi)
        self._multi = self._self = None  # its handle refers to the connection, and would keep what it holds
        self._unread.clear()

    def _finish(self) -> None:
        """Ends the request, if there is one. In a cycle of garbage, Python may have closed libcurl's handle before."""
        if self._is_added and self._curl._curl is not None:  # noqa: SLF001 - there is no public name
            lib.curl_multi_remove_handle(self._multi, self._curl._curl)  # noqa: SLF001
            self._is_added = False

    def _set_options(self, method: str, url: str, headers: list[bytes], cookie: str | None, body: bytes | None) -> None:
        curl = self._curl
        curl.setopt(CurlOpt.ACCEPT_ENCODING, ENCODINGS)  # without it, nothing is decompressed
        if curl.impersonate(self.origin.target):
            raise TransferError(CurlECode.BAD_FUNCTION_ARGUMENT, f"no such target: {self.origin.target}")
        for option, value in (
            (CurlOpt.URL, url),
            (CurlOpt.ECH, "grease"),  # what browsers send without keys; else libcurl asks name servers for the keys
            (CurlOpt.REQUEST_TARGET, _request_target(url)),
            (CurlOpt.PROTOCOLS_STR, "http,https"),
            (CurlOpt.FOLLOWLOCATION, 0),
            (CurlOpt.PROXY, ""),
            (CurlOpt.NOPROXY, "*"),
            (CurlOpt.NOSIGNAL, 1),
            (CurlOpt.CAINFO, certifi.where()),
            (CurlOpt.HTTPHEADER, headers),
            (CurlOpt.WRITEFUNCTION, self._take_body),
            (CurlOpt.HEADERFUNCTION, self._take_head_line),
        ):
            curl.setopt(option, value)
        self._set_method(method, body)
        if cookie:
            curl.setopt(CurlOpt.COOKIE, cookie)
        for option, pointer in (
            (CurlOpt.CONNECT_TO, _CONNECT_TO),
            (CurlOpt.OPENSOCKETFUNCTION, ffi.cast("void*", _open_socket)),
            (CurlOpt.OPENSOCKETDATA, self._self),
            (CurlOpt.SOCKOPTFUNCTION, ffi.cast("void*", _keep_socket)),
        ):
            _check(lib._curl_easy_setopt(curl._curl, option, pointer))  # noqa: SLF001

    def _set_method(self, method: str, body: bytes | None) -> None:
        if body is not None:
            self._curl.setopt(CurlOpt.POSTFIELDS, body)
            self._curl.setopt(CurlOpt.POSTFIELDSIZE, len(body))
        if method == "HEAD":
            self._curl.setopt(CurlOpt.NOBODY, 1)
        elif method != ("GET" if body is None else "POST"):
            self._curl.setopt(CurlOpt.CUSTOMREQUEST, method)

    def open_socket(self) -> int:
        """A socket of the broker's, which libcurl owns from here on and closes; -1 where there is none.

        libcurl may call it more than once for a request: where a connection that it has kept is gone. So each call gets
        a socket of its own.
        """
        try:
            connected = self._connect(self.origin.host, self.origin.port, self._timeout)
        except Exception as error:  # noqa: BLE001 - it must not pass through libcurl
            self._failure = error
            return _BAD_SOCKET
        number = connected.detach()
        os.set_blocking(number, False)
        self._note_progress()
        return number

    def _take_head_line(self, line: bytes) -> int:
        self._note_progress()
        self.head.add_line(line)
        return len(line)

    def _take_body(self, data: bytes) -> int:
        self._note_progress()
        if len(self._unread) > (MAX_REDIRECT_BODY if self.head.is_redirect else MAX_UNREAD):
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "a page or a manifest does not end")
        self._unread += data
        return len(data)

    def _note_progress(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    def _advance(self) -> None:
        """Has libcurl do what it can do now, or waits until it can do more; TimeoutError."""
        number = ffi.new("int*")
        before = len(self._unread)
        _check(lib.curl_multi_perform(self._multi, number))
        self._note_end()
        if self._is_done or len(self._unread) > before:
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no byte came in time")
        wait = min(int(left * 1000) + 1, LONGEST_POLL)
        _check(lib.curl_multi_poll(self._multi, ffi.NULL, 0, wait, number))

    def _note_end(self) -> None:
        message = lib.curl_multi_info_read(self._multi, ffi.new("int*"))
        if message == ffi.NULL or message.msg != _DONE:
            return
        self._is_done = True
        code = message.data.result
        raised = self._curl._get_callback_exception()  # noqa: SLF001 - there is no public way
        if raised is not None:
            self._failure = raised
        elif code and not self._failure:
            text = ffi.string(self._curl._error_buffer) or ffi.string(lib.curl_easy_strerror(code))  # noqa: SLF001
            self._failure = TransferError(code, text.decode(errors="replace"))
        elif not code:
            self._failure = None


def _request_target(url: str) -> str:
    """Path and query as they are: libcurl would write %2f as %2F, and signatures cover how it is written."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _check(code: int) -> None:
    if code:
        raise TransferError(code, "libcurl refuses a call")


@ffi.callback("int(void*, int, void*)", error=_BAD_SOCKET)  # type: ignore[untyped-decorator]
def _open_socket(connection: Any, _purpose: int, _address: Any) -> int:
    return int(ffi.from_handle(connection).open_socket())


@ffi.callback("int(void*, int, int)")  # type: ignore[untyped-decorator]
def _keep_socket(_data: Any, _socket: int, _purpose: int) -> int:
    return _ALREADY_CONNECTED


_CONNECT_TO = lib.curl_slist_append(ffi.NULL, _NOWHERE)
