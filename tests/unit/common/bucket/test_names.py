"""Names of objects that could mean another file somewhere."""

import pytest

from vidferry_common.bucket import BucketError
from vidferry_common.bucket.names import checked_name


@pytest.mark.parametrize(
    "name",
    ["", "/", "/etc/passwd", "a//b", "a/", "..", "../x", "a/../../x", "a/.", "a\\..\\b", "a/\0", "a\n", "a#b", "\ud800",
     "a" * 181, "/".join(["b" * 100] * 10)],
)  # fmt: skip
def test_names_that_could_mean_another_file_are_refused(name: str) -> None:
    with pytest.raises(BucketError):
        checked_name(name)


def test_as_long_as_a_name_may_be() -> None:
    longest = "/".join(["ü" * 90] * 4 + ["b" * 176])

    assert checked_name(longest) == longest
    assert len(longest.encode()) == 900
