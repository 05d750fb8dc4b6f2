"""Which cookies a child is lent, and what becomes of files that change, can't be used, or expire."""

import os
import time
from pathlib import Path

import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.cookies.directory import MAX_FILES, CookieDirectory
from vidferry_worker.cookies.jar import MAX_BYTES

SOON, LATER = int(time.time()) + 3600, int(time.time()) + 30 * 86400


def line(value: str, domain: str = ".example.com", expires: int = LATER) -> str:
    return f"{domain}\tTRUE\t/\tTRUE\t{expires}\tsid\t{value}\n"


def values(directory: CookieDirectory, url: str, credential: str = "") -> list[str]:
    return [each.value for each in directory.lend(url, credential).cookies]


def refusal(directory: CookieDirectory, url: str, credential: str) -> str:
    with pytest.raises(JobFailure) as failure:
        directory.lend(url, credential)
    return failure.value.code


def test_each_site_and_credential_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "example.com.txt").write_text(line("everybody's"))
    (tmp_path / "alice_example.com.txt").write_text(line("alice's"))
    (tmp_path / "video.example.com.txt").write_text(line("of a subdomain"))
    (tmp_path / "youtube.com.txt").write_text(line("of YouTube", ".youtube.com") + line("of Google", ".google.com"))
    directory = CookieDirectory(tmp_path)
    for url in ("https://example.com/1", "https://WWW.example.com.:8443/", "http://a.b.example.com/"):
        assert values(directory, url) == ["everybody's"]
        assert values(directory, url, "alice") == ["alice's"]
        assert refusal(directory, url, "bob") == "credential_missing"
    assert values(directory, "https://x.video.example.com/") == ["of a subdomain"]
    assert values(directory, "https://youtu.be/1") == values(directory, "https://m.youtube.com/1") == ["of YouTube"]
    for url in ("https://notexample.com/", "https://example.com.evil.org/", "https://com/", "https://[::1]/"):
        assert values(directory, url) == []
        assert refusal(directory, url, "alice") == "credential_missing"
    assert directory.report().ignored_lines == 1


def test_a_mounted_secret_that_changes(tmp_path: Path) -> None:
    """Kubernetes points one link at a new folder; files come, change and go with it."""

    def mount(version: str, **files: str) -> None:
        folder = tmp_path / f"..{version}"
        folder.mkdir()
        for site, text in files.items():
            (folder / f"{site}.example.com.txt").write_text(text)
        (tmp_path / "..new").symlink_to(folder.name)
        (tmp_path / "..new").rename(tmp_path / "..data")
        for site in ("a", "b"):
            link = tmp_path / f"{site}.example.com.txt"
            link.unlink(missing_ok=True)
            if site in files:
                link.symlink_to(f"..data/{link.name}")

    mount("1", a=line("old"))
    directory = CookieDirectory(tmp_path)
    assert values(directory, "https://a.example.com/") == ["old"]
    mount("2", a=line("new"), b=line("another"))
    directory.refresh()
    assert values(directory, "https://a.example.com/") == ["new"]
    mount("3", b=line("another"))
    directory.refresh()
    assert values(directory, "https://a.example.com/") == []
    assert values(directory, "https://b.example.com/") == ["another"]


def test_a_file_that_can_not_be_used_is_told_once_and_harms_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {
        "com.txt": line("secret", ".com"),
        "co.uk.txt": line("secret", ".co.uk"),
        "www.example.com.txt": line("secret"),
        "youtu.be.txt": line("secret", ".youtu.be"),
        "Alice_example.com.txt": line("secret"),
        "notes": "secret",
        "a..b.txt": line("secret"),
        "alice_com.txt": line("secret", ".com"),
        "large.example.com.txt": "#" * (MAX_BYTES + 1),
        "many.example.com.txt": line("secret" * 500) * 20,
        "json.example.com.txt": '[{"value": "secret"}]',
        "foreign.example.com.txt": line("secret", ".example.org"),
    }
    for name, text in wrong.items():
        (tmp_path / name).write_text(text)
    os.mkfifo(tmp_path / "pipe.example.com.txt")
    (tmp_path / "loop.example.com.txt").symlink_to("loop.example.com.txt")
    (tmp_path / "example.com.txt").write_text(line("good") + "secret nonsense\n")
    directory = CookieDirectory(tmp_path)
    directory.refresh()
    assert values(directory, "https://example.com/") == ["good"]
    assert directory.report().files == {"valid": 1, "expired": 0, "unusable": len(wrong) + 2}
    assert directory.report().ignored_lines == 1
    told = [vars(record)["file"] for record in caplog.records if record.levelname == "ERROR"]
    assert sorted(told) == sorted([*wrong, "pipe.example.com.txt", "loop.example.com.txt"])
    assert "secret" not in caplog.text + str([vars(record) for record in caplog.records])

    (tmp_path / "example.com.txt").write_text("nonsense")
    directory.refresh()
    assert values(directory, "https://example.com/") == ["good"], "those before stay"
    (tmp_path / "www.example.com.txt").unlink()
    directory.refresh()
    assert directory.report().files["unusable"] == len(wrong) + 2


def test_a_directory_that_is_away_or_too_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cookies"
    directory = CookieDirectory(folder)
    assert (values(directory, "https://example.com/"), directory.report().files["unusable"]) == ([], 1)
    folder.mkdir()
    for number in range(MAX_FILES + 5):
        (folder / f"s{number}.example.com.txt").write_text(line("a value"))
    directory.refresh()
    report = directory.report().files
    assert (report["valid"], report["unusable"]) == (MAX_FILES, 1)
    assert f"more than {MAX_FILES} files" in str([vars(record) for record in caplog.records])
    assert values(CookieDirectory(None), "https://example.com/") == []


def test_an_operator_learns_of_an_expiry_before_it_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    past = int(time.time()) - 10
    (tmp_path / "example.com.txt").write_text(line("one", expires=SOON) + line("two") + line("gone", expires=past))
    (tmp_path / "alice_example.com.txt").write_text(line("gone", expires=past))
    (tmp_path / "example.org.txt").write_text(line("gone", ".example.org", expires=past))
    (tmp_path / "example.net.txt").write_text(line("of the session", ".example.net", expires=0))
    directory = CookieDirectory(tmp_path)
    directory.refresh()
    report = directory.report()
    assert (report.files, report.next_expiry) == ({"valid": 2, "expired": 2, "unusable": 0}, SOON)
    told = [vars(record)["file"] for record in caplog.records if record.message == "a cookie expires soon"]
    assert told == ["example.com.txt"], "once"
    assert values(directory, "https://example.com/") == ["one", "two"]
    assert values(directory, "https://example.net/") == ["of the session"]
    assert refusal(directory, "https://example.com/", "alice") == "credential_refused"

    loan = directory.lend("https://example.org/")
    assert loan.cookies == (), "everybody's that have expired do not keep public videos from being fetched"
    with pytest.raises(JobFailure) as failure, loan.blame_refusals():
        raise JobFailure(ErrorCode.LOGIN_REQUIRED)
    assert failure.value.code == "credential_refused"
