"""The keys file is read again when it changes, and a broken one takes nobody's key away."""

import logging
import os
from pathlib import Path

import pytest

from support.access import KeysFile
from vidferry_api.access.key_store import KeyStore, make_key
from vidferry_api.access.keys_file import KeysFileWrong
from vidferry_common.watched_file import WatchedFile


@pytest.fixture
def file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.toml")


def test_a_key_is_found_as_it_is_and_in_no_other_way(file: KeysFile) -> None:
    key = file.add("ci")
    store = KeyStore(file.path)

    found = store.find(key)
    assert found is not None
    assert found.principal.name == "ci"
    for wrong in (
        key.swapcase(), key.upper(), key[:-1], f"{key}A", f" {key}", f"{key} ", f"{key}\n", key[3:], "", make_key(),
        found.digest.hex(),
    ):  # fmt: skip
        assert store.find(wrong) is None


def test_a_declared_digest_of_something_else_is_no_key(file: KeysFile) -> None:
    """A person's password would be guessed; a key can't be."""
    file.path.write_text(
        '[[keys]]\nname = "a"\nowner = "a"\nscopes = ["admin"]\n'
        'sha256 = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"\n'
    )
    assert KeyStore(file.path).find("password") is None


def test_keys_come_and_go_with_the_file(file: KeysFile) -> None:
    old = file.add("old")
    store = KeyStore(file.path)
    file.path.write_text("")
    new = file.add("new")
    store.refresh()

    assert store.find(new)
    assert store.find(old) is None


def test_a_mounted_secret_is_a_link_that_is_pointed_elsewhere(tmp_path: Path) -> None:
    """As the kubelet does: keys.toml → ..data/keys.toml, and ..data → a folder for each version."""
    keys = []
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        keys.append(KeysFile(tmp_path / version / "keys.toml").add("ci"))
    # Same size and times: the inode alone tells them apart.
    for version in ("1", "2"):
        os.utime(tmp_path / version / "keys.toml", (1e9, 1e9))
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "keys.toml").symlink_to("..data/keys.toml")
    store = KeyStore(tmp_path / "keys.toml")
    (tmp_path / "..data_tmp").symlink_to("2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    store.refresh()

    assert store.find(keys[0]) is None
    assert store.find(keys[1])


@pytest.mark.parametrize("broken", ["name = vf_secret", None], ids=["wrong", "missing"])
def test_a_broken_file_keeps_the_keys_and_is_logged_once(
    file: KeysFile, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    key, good = file.add("ci"), file.path.read_text()
    store = KeyStore(file.path)
    if broken is None:
        file.path.unlink()
    else:
        file.path.write_text(good + broken)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            store.refresh()

    assert store.find(key)
    [entry] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert entry.__dict__["error"].startswith("the file can't be read" if broken is None else "line 7:")
    assert "vf_secret" not in str(entry.__dict__)
    file.path.write_text("")
    store.refresh()
    assert store.find(key) is None


def test_a_file_that_stays_is_not_read_again(file: KeysFile, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KeyStore(file.path)
    monkeypatch.setattr(WatchedFile, "read", lambda _: pytest.fail("it was read"))
    store.refresh()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(KeysFileWrong, match="the file can't be read"):
            KeyStore(path)
