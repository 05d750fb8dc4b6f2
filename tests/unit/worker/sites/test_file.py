"""What becomes of a sites file that changes, or can't be used."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.children import eventually
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.file import MAX_LOGGED, SitesFile, SitesReport
from vidferry_worker.sites.rules import SiteRule

SETTINGS = SiteRule(fragments=6, proxy=Proxy("http", "usual.example", 3128))
SECRET = "hunter2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sites.toml"


def everything(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text + str([vars(record) for record in caplog.records])


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(vars(record)["error"]) for record in caplog.records if record.levelname == "ERROR"]


def test_entries_stand_above_the_default_and_that_above_the_settings(path: Path) -> None:
    path.write_text(
        '[default]\nsleep = 0.5\nfragments = 3\n["example.com"]\nfragments = 1\nproxy = "none"\n'
        '["example.org"]\nproxy = "socks5://user:hunter2@other.example"'
    )
    rules = SitesFile(path, SETTINGS).rules
    assert rules.of("b.example") == SiteRule(fragments=3, sleep=0.5, proxy=SETTINGS.proxy)
    assert rules.of("www.example.com") == SiteRule(fragments=1, sleep=0.5, proxy=None)
    assert rules.of("example.org").proxy == Proxy("socks5", "other.example", 1080, "user", SECRET)
    assert SitesFile(None, SETTINGS).rules.of("example.com") == SETTINGS


def test_a_bad_entry_is_told_once_and_the_one_before_it_stays(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text('[default]\nsleep = 1\n["a.example"]\nfragments = 1\n["b.example"]\nfragments = 2')
    file = SitesFile(path, SETTINGS)
    bad = (
        f'[default]\nsleep = "{SECRET}"\n["a.example"]\nproxy = "http://u:{SECRET}@["\n["c.example"]\nfragments = 99\n'
    )
    path.write_text(bad)
    file.refresh()
    file.refresh()
    assert file.rules.of("a.example") == SiteRule(fragments=1, sleep=1.0, proxy=SETTINGS.proxy)
    assert file.rules.of("b.example").fragments == file.rules.of("c.example").fragments == 6, "gone, and never there"
    assert file.report() == SitesReport(used=2, unusable=3)
    assert len(told(caplog)) == 3

    path.write_text(bad.replace("99", "9"))
    file.refresh()
    assert len(told(caplog)) == 3, "once, however long they stay"
    assert file.rules.of("c.example").fragments == 9
    assert file.report() == SitesReport(used=3, unusable=2)
    assert SECRET not in everything(caplog)


def test_a_browser_is_one_that_there_is(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(
        '["a.example"]\nimpersonate = "safari-1"\n["b.example"]\nimpersonate = "safari"\n["c.example"]\nsleep = 1'
    )
    file = SitesFile(path, SETTINGS, ["chrome-131:macos-14", "safari-18.0:ios-18.0"])

    assert [file.rules.of(site).impersonate for site in ("a.example", "b.example")] == [None, "safari"]
    assert file.report() == SitesReport(used=2, unusable=1)
    assert told(caplog) == ["impersonate must be one of chrome, safari, in a version and system that there is"]


def _remove(path: Path) -> None:
    path.unlink()


def _replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "spoil",
    [
        _remove,
        _replace_by(_loop),
        _replace_by(os.mkfifo),
        _replace_by(Path.mkdir),
        _replace_by(lambda path: path.symlink_to("/dev/zero")),
        _replace_by(lambda path: path.write_bytes(os.urandom(1000) + b"\xff")),
        _replace_by(lambda path: path.write_text(f'proxy = "http://u:{SECRET}@x')),
        _replace_by(lambda path: path.write_text("a = " + "[" * 200_000)),
        _replace_by(lambda path: path.write_bytes(b"#" * 300_000)),
    ],
    ids=["gone", "loop", "pipe", "directory", "device", "binary", "no TOML", "deep", "large"],
)
def test_a_bad_file_leaves_what_was_there_before(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    path.write_text('["a.example"]\nfragments = 1')
    file = SitesFile(path, SETTINGS)
    spoil(path)
    file.refresh()
    file.refresh()
    assert file.rules.of("a.example").fragments == 1
    assert file.report() == SitesReport(used=1, unusable=1)
    assert len(told(caplog)) == 1
    assert SECRET not in everything(caplog)

    path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
    path.write_text('["a.example"]\nfragments = 2')
    file.refresh()
    assert file.rules.of("a.example").fragments == 2
    assert file.report() == SitesReport(used=1, unusable=0)


def test_a_file_that_is_away_at_the_start(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = SitesFile(path, SETTINGS)
    assert file.rules.of("a.example") == SETTINGS
    assert file.report() == SitesReport(used=0, unusable=1)
    assert "can't be read" in told(caplog)[0]


def test_many_bad_entries_do_not_fill_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("\n".join(f'["s{number}.example"]\nsleep = 99' for number in range(500)))
    file = SitesFile(path, SETTINGS)
    assert file.report().unusable == 500
    assert len(told(caplog)) == MAX_LOGGED


def test_a_mounted_secret_that_changes(tmp_path: Path) -> None:
    """Kubernetes points one link at a new folder."""

    def mount(version: str, text: str) -> None:
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "sites.toml").write_text(text)
        (tmp_path / "..new").symlink_to(f"..{version}")
        (tmp_path / "..new").rename(tmp_path / "..data")

    mount("1", '["a.example"]\nfragments = 1')
    (tmp_path / "sites.toml").symlink_to("..data/sites.toml")
    file = SitesFile(tmp_path / "sites.toml", SETTINGS)
    assert file.rules.of("a.example").fragments == 1
    mount("2", '["a.example"]\nfragments = 2')
    file.refresh()
    assert file.rules.of("a.example").fragments == 2


@pytest.mark.anyio
async def test_a_change_is_seen_by_itself(path: Path) -> None:
    file = SitesFile(path, SETTINGS)
    watching = asyncio.create_task(file.watch())
    await asyncio.to_thread(path.write_text, '["a.example"]\nfragments = 12')

    async def is_read() -> bool:
        return file.rules.of("a.example").fragments == 12

    await eventually(is_read, 60)
    watching.cancel()
