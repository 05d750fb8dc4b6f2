"""A web server for a few files: a page of one's own that has the documented clients."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import vidferry_api
from support.documents import block
from support.react import SCRIPTS

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

PAGE = """<!doctype html><meta charset="utf-8"><title>A page of one's own</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"react": "./react.js"}}</script>
<script src="react.umd.js"></script><script src="react-dom.umd.js"></script>
<progress max="100"></progress><p></p><div></div>"""


def files() -> dict[str, str]:
    """The page's, by their names: the modules are the service's own and the document's."""
    return {
        "index.html": PAGE,
        "progress.js": (Path(vidferry_api.__file__).parent / "page/progress.js").read_text(),
        "follow.js": block("clients.md", "js", "export function follow"),
        "use-download-progress.js": block("clients.md", "js", "export function useDownloadProgress"),
        "download.js": block("clients.md", "js", "export function Download"),
        **{name: path.read_text() for name, path in SCRIPTS.items()},
        "react.js": "export const { createElement, useEffect, useReducer, StrictMode } = globalThis.React;",
    }


@contextmanager
def serving(contents: Mapping[str, str]) -> Iterator[str]:
    """The address of the folder."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.strip("/") or "index.html"
            body = contents.get(name, "").encode()
            self.send_response(HTTPStatus.OK if name in contents else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", TYPES.get(Path(name).suffix, "text/plain"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
