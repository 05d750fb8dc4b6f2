"""Which version is newer."""

import pytest

from vidferry_worker.bundles.versions import is_newer, normalize


@pytest.mark.parametrize(
    ("version", "other"),
    [
        ("2026.10.27", "2026.10.26"),
        ("2026.10.26.220202.dev0", "2026.10.26"),
        ("2026.11.1", "2026.10.31.220202.dev0"),
        ("2027.1.1", "2026.12.31"),
        ("2026.10.10", "2026.9.30"),
    ],
)
def test_which_is_newer(version: str, other: str) -> None:
    assert is_newer(version, other)
    assert not is_newer(other, version)
    assert not is_newer(version, version)


def test_zeros_make_no_difference() -> None:
    assert normalize(" 2026.01.02 ") == "2026.1.2"
    assert normalize("2026.10.0") == "2026.10.0"
