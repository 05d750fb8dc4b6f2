"""What a bundle's record and a report of versions may say."""

import pytest

from vidferry_common.contract.bundles import BLAMED, MAX_VERSION, Bundle, Versions, is_version, parse_told_version
from vidferry_common.contract.errors import ErrorCode

MANIFEST, DIGEST = "system/bundles/2026.11.20/manifest.json", "0f" * 32


@pytest.mark.parametrize("text", ["2026.10.26", "2026.10.26.220202.dev0", "0.8.0", "1.0rc1", "2026.1.1.post2"])
def test_versions_of_yt_dlp_and_its_parts(text: str) -> None:
    assert is_version(text)
    assert parse_told_version(text) == text


NO_VERSIONS = ["", "..", "1..2", "../1", "1/2", "-1", "--pre", "1 2", "1.0 ", "1.0;x", "1\n", "1" * (MAX_VERSION + 1),
               "1\x00", "٣", None, 1]  # fmt: skip


@pytest.mark.parametrize("text", [*NO_VERSIONS, "7.1.2-0+deb13u1", "n7.1", "1!2.0", "stable", "2026.10.26+local"])
def test_nothing_else_is(text: object) -> None:
    assert not is_version(text)


@pytest.mark.parametrize("text", ["7.1.2-0+deb13u1", "n7.1", "2.4.1"])
def test_programs_tell_versions_of_other_forms(text: str) -> None:
    assert parse_told_version(text) == text


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_what_no_program_can_tell_as_its_version(text: object) -> None:
    assert parse_told_version(text) == ""


def test_a_bundle_is_read_as_it_was_recorded() -> None:
    bundle = Bundle("2026.11.20", "0.8.1", MANIFEST, DIGEST, "2026.10.26")
    record = {name.encode(): value.encode() for name, value in bundle.record().items()} | {b"published": b"12"}

    assert Bundle.parse(record) == Bundle("2026.11.20", "0.8.1", MANIFEST, DIGEST, "2026.10.26", 12)
    assert Bundle.parse(record | {b"more": b"of a later release"}) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "../../etc"}, {"version": ""}, {"ejs_version": "a/b"}, {"manifest": "videos/a/b/c/best-any"},
        {"manifest": "system/bundles/../../videos/a"}, {"manifest": ""}, {"digest": "0f"}, {"digest": "F" * 64},
        {"previous": "1 2"}, {"version": "n7.1"}, {"ejs_version": "1!2.0"},
    ],
)  # fmt: skip
def test_a_bundle_of_another_form_is_none(wrong: dict[str, str]) -> None:
    right = Bundle("2026.11.20", "0.8.1", MANIFEST, DIGEST).record()
    with pytest.raises(ValueError, match="bundle"):
        Bundle(**(right | wrong))  # type: ignore[arg-type]
    record = {name.encode(): value.encode() for name, value in (right | wrong).items()}

    assert Bundle.parse(record | {b"published": b"12"}) is None


def test_a_record_that_lacks_a_field_is_none() -> None:
    assert Bundle.parse({}) is None
    assert Bundle.parse({b"version": b"2026.11.20", b"published": b"1"}) is None


def test_what_is_no_version_is_left_out_of_a_report() -> None:
    told = {"yt_dlp": "2026.11.20", "ejs": "<script>", "deno": 2, "ffmpeg": "7" * 99, "more": "1"}

    assert Versions.parse(told) == Versions(yt_dlp="2026.11.20")


def test_what_says_nothing_of_yt_dlp_is_not_blamed_on_it() -> None:
    assert not BLAMED & {ErrorCode.PRIVATE, ErrorCode.NETWORK, ErrorCode.STALLED, ErrorCode.UNAVAILABLE,
                         ErrorCode.RATE_LIMITED, ErrorCode.BOT_CHECK, ErrorCode.STORAGE_UNAVAILABLE}  # fmt: skip
