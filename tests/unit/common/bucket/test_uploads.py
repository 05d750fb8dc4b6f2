"""What is refused before its first byte is sent, since some backend could not keep it."""

import pytest

from support.sources import NAME
from vidferry_common.bucket import BucketError, Upload
from vidferry_common.bucket.uploads import prepare_upload


@pytest.mark.parametrize(
    "what",
    [Upload(NAME, "video/mp4\r\nX: y"), Upload(NAME, "film"), Upload(NAME, "vidéo/mp4"),
     Upload(NAME, "video/mp4", metadata={"title": "x" * 8188})],
)  # fmt: skip
def test_what_a_backend_could_not_keep_is_refused(what: Upload) -> None:
    with pytest.raises(BucketError):
        prepare_upload(what)


def test_as_much_metadata_as_there_may_be() -> None:
    what = Upload(NAME, "video/mp4", metadata={"title": "ü" * 4093 + "x"})

    assert prepare_upload(what) == what
