import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.keys import Key, choose_key, is_drm_protected

CLEAR = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
SESSION = '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="k"'
VAULT = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x",KEYFORMAT="org.example.vault"'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [([CLEAR], False), ([SESSION], False), ([VAULT], True), ([VAULT, CLEAR], False), ([], False)],
)
def test_a_playlist_is_protected_where_a_system_keeps_all_its_keys(lines: list[str], expected: bool) -> None:
    assert is_drm_protected("\n".join(["#EXTM3U", *lines])) is expected


def test_of_alternatives_the_one_that_can_be_used_is_chosen() -> None:
    assert choose_key([CLEAR, VAULT]) == Key("k")
    with pytest.raises(JobFailure) as failure:
        choose_key([VAULT])
    assert failure.value.code is ErrorCode.DRM
