"""Which yt-dlp a zygote has loaded, found out without it."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from vidferry_worker.children import engine
from vidferry_worker.children.engine import image_engine


def test_the_engine_of_an_image_is_what_is_installed() -> None:
    assert image_engine() == (version("yt-dlp"), version("yt-dlp-ejs"))


def test_what_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(engine, "version", find)

    assert image_engine() == ("", "")
