"""The origin's own tests: plain HTTP for what it promises, real yt-dlp for what it is there for."""

import http.client
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support import ffmpeg


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Get = Callable[..., Answer]


@pytest.fixture
def get() -> Get:
    """One request on a connection of its own; redirects are not followed."""

    def get(url: str, method: str = "GET", **headers: str) -> Answer:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, f"{parts.path}?{parts.query}", headers=named)
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        finally:
            connection.close()

    return get


@dataclass(frozen=True)
class YtDlp:
    """yt-dlp as a process, that downloads into a folder of its own.

    The extractors of known sites take half of its time to load; a test that must see that none of them claims a page
    asks for `known_sites`.
    """

    home: Path

    def start(self, urls: list[str], *options: str, known_sites: bool = False) -> subprocess.Popen[str]:
        fixed = ["--ignore-config", "--no-cache-dir", "--proxy", "", "--quiet", "--retry-sleep", "0"]
        if not known_sites:
            fixed += ["--use-extractors", "generic,html5"]
        return subprocess.Popen(
            [sys.executable, "-m", "yt_dlp", *fixed, "-P", str(self.home), *options, *urls],
            env={"PATH": ffmpeg.path_with_ffmpeg(), "HOME": str(self.home), "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, urls: list[str], *options: str, known_sites: bool = False) -> tuple[int, str, str]:
        """Its exit status, output and errors."""
        with self.start(urls, *options, known_sites=known_sites) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def download(self, urls: list[str], *options: str) -> list[Path]:
        """The files it made, one for each address, in their order."""
        status, _, errors = self.run(urls, "-o", "%(autonumber)s.%(ext)s", *options)
        assert status == 0, errors
        made = sorted(self.home.iterdir())
        assert len(made) == len(urls)
        return made


@pytest.fixture
def yt_dlp(tmp_path: Path) -> YtDlp:
    return YtDlp(tmp_path)
