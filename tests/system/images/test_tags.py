"""Tags by commit, so that a rebuild of the same version is another image to a cluster."""

import pytest

from vidferry_images.build import commit_tag

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("revision", "tag"),
    [(COMMIT, "0123456789ab"), (f"{COMMIT}-dirty", "0123456789ab-dirty"), ("unknown", "unknown")],
)
def test_a_commit_as_the_end_of_a_tag(revision: str, tag: str) -> None:
    assert commit_tag(revision) == tag
