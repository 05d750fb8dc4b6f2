"""Wheels of yt-dlp that are made of the installed one, and a package index that serves them."""

import hashlib
import http.server
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import distribution, version
from pathlib import Path

EJS = version("yt-dlp-ejs")
IMAGE = version("yt-dlp")
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NEWER, NEWEST, OLDER = "2099.1.1", "2099.1.2", "2020.1.1"

Edit = Callable[[str], str]


def copy_yt_dlp(folder: Path) -> Path:
    """The packages of the installed yt-dlp and yt-dlp-ejs, in a folder of their own."""
    for name in ("yt_dlp", "yt_dlp_ejs"):
        shutil.copytree(_source(name), folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def make_wheel(folder: Path, package: str, release: str, edits: dict[str, Edit] | None = None) -> Path:
    """The wheel of the installed package under another version, with some of its files edited."""
    name = package.replace("-", "_")
    path = folder / f"{name}-{release}-py3-none-any.whl"
    info = f"{name}-{release}.dist-info"
    metadata = distribution(package).read_text("METADATA") or ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for inner, content in _files(name).items():
            edit = (edits or {}).get(inner)
            _add(wheel, inner, edit(content.decode()).encode() if edit else content)
        _add(wheel, f"{info}/METADATA", metadata.replace(f"Version: {version(package)}", f"Version: {release}"))
        _add(wheel, f"{info}/WHEEL", WHEEL)
        _add(wheel, f"{info}/RECORD", "")
    return path


def make_wheels(folder: Path, release: str, edits: dict[str, Edit] | None = None) -> dict[str, Path]:
    """The wheels of a bundle."""
    return {
        "yt-dlp": make_wheel(folder, "yt-dlp", release, edits),
        "yt-dlp-ejs": make_wheel(folder, "yt-dlp-ejs", EJS),
    }


def make_tiny_wheels(folder: Path, release: str, ejs: str = EJS, code: str = "") -> dict[str, Path]:
    """Wheels as a bundle's, whose packages have one file. Nothing can be downloaded with it.

    ejs: another version than the one that is pinned. code: of that file.
    """
    pin = f"Requires-Dist: yt-dlp-ejs=={EJS}; extra == 'default'\n"
    return {
        package: _write_tiny_wheel(folder, package, version_of, requires, code)
        for package, version_of, requires in (("yt-dlp", release, pin), ("yt-dlp-ejs", ejs, ""))
    }


def _write_tiny_wheel(folder: Path, package: str, release: str, requires: str, code: str) -> Path:
    name = package.replace("-", "_")
    path = folder / f"{name}-{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        _add(wheel, f"{name}/__init__.py", f"release = {release!r}\n{code}")
        _add(wheel, f"{name}-{release}.dist-info/WHEEL", WHEEL)
        _add(
            wheel,
            f"{name}-{release}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {release}\n{requires}",
        )
    return path


def _add(wheel: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    """Adds a file without the time, so that the same contents make the same wheel."""
    wheel.writestr(zipfile.ZipInfo(name), content, wheel.compression, wheel.compresslevel)


def move_a_part(source: str) -> str:
    """Edits `yt_dlp/downloader/dash.py`: a patch does not find what it changes."""
    return source.replace("_get_fragments(self, fmt,", "_get_fragments(self, moved,")


def fail_at(*hosts: str) -> Edit:
    """Edits `yt_dlp/extractor/generic.py`: what is asked of these hosts fails as where a site has changed."""
    head = "    def _real_extract(self, url):\n"
    fault = f"        if urllib.parse.urlparse(url).hostname in {hosts!r}:\n            raise KeyError('moved')\n"
    return lambda source: source.replace(head, head + fault)


@dataclass
class Index:
    """A package index of yt-dlp and yt-dlp-ejs, as pip asks it."""

    folder: Path
    url: str = ""
    requests: list[str] = field(default_factory=list)
    is_down: bool = False

    def add(self, *wheels: Path) -> None:
        for wheel in wheels:
            package = wheel.name.partition("-")[0].replace("_", "-")
            home = self.folder / "simple" / package
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheel, home)
            links = [
                f'<a href="{each.name}#sha256={hashlib.sha256(each.read_bytes()).hexdigest()}">{each.name}</a>'
                for each in sorted(home.glob("*.whl"))
            ]
            (home / "index.html").write_text("<!DOCTYPE html><html><body>\n" + "<br>\n".join(links) + "</body></html>")

    def add_release(self, release: str, edits: dict[str, Edit] | None = None) -> None:
        """A release of yt-dlp, and the yt-dlp-ejs that it pins."""
        made = self.folder / "made"
        made.mkdir(exist_ok=True)
        self.add(*make_wheels(made, release, edits).values())


@contextmanager
def package_index(folder: Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[Index]:
    """Serves what the folder has, also what is added to it meanwhile. port: 0: any that is free."""
    index = Index(folder)
    folder.mkdir(exist_ok=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        """Serves the folder."""

        def do_GET(self) -> None:
            index.requests.append(self.path)
            if index.is_down:
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Is silent."""

    server = http.server.ThreadingHTTPServer((host, port), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    index.url = f"http://{host}:{server.server_port}/simple"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _source(name: str) -> Path:
    return Path(str(distribution(name.replace("_", "-")).locate_file(name)))


@cache
def _files(name: str) -> dict[str, bytes]:
    home = _source(name)
    return {
        f"{name}/{path.relative_to(home)}": path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def as_version(release: str) -> Edit:
    """Edits `yt_dlp/version.py`: what yt-dlp says of itself."""
    return lambda source: source.replace(f"'{IMAGE}'", f"'{release}'")


LIAR = """
import os, socket, time
for fd in range(3, 64):
    try:
        found = socket.socket(fileno=os.dup(fd))
    except OSError:
        continue
    if found.type == socket.SOCK_SEQPACKET:
        line = found
line.send(b'{"problem": ""}')
CODE
"""
"""A bundle that says at once that it is loaded."""
