"""Without leave, nothing that isn't public is reached."""

import pytest

from support.origin.site import Site
from support.services import MakeUp


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_loopback_address_is_refused_before_any_connection(site: Site, host: str) -> None:
    with MakeUp(egress_allow="") as stack:
        watched = stack.run(site.url("/media/clip.mp4").replace("127.0.0.1", host))
    assert watched.last["error"]["code"] == "forbidden_address"
    assert site.requests() == []
