"""Which hosts are known, and which are no hosts: a page may name one that was made to lead here (DNS rebinding)."""

import pytest
from pydantic import ValidationError

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.known_hosts import HostSettings

UNKNOWN = ["evil.example", "evil.example:3001", "localhost.evil.example", "localhost..", "xlocalhost", "192.0.2.1",
           "127.0.0.2", "0.0.0.0", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::2]", "[fe80::1]"]  # fmt: skip
LOCAL = ["localhost", "LocalHost:8080", "localhost.", "127.0.0.1:1", "[::1]", "[0:0:0:0:0:0:0:1]:9",
         "[::ffff:127.0.0.1]"]  # fmt: skip
NONE = ["", "a b", "a/b", "a@b", "a:b", "a:123456", "a:99999", "a:0", 'a"', "a\\b", "<script>", "a?b", "a#b", "..",
        "[a]:1", "[1:2]", "[::1", "[::1]:65536", "a.example, b.example", "ä.org"]  # fmt: skip
SETTINGS = [
    ({"allowed_hosts": "evil.example"}, "evil.example:3001"),
    ({"allowed_hosts": "*"}, "evil.example"),
    ({"allowed_hosts": "a.example, EVIL.example."}, "evil.example"),
    ({"public_url": "https://evil.example/videos"}, "evil.example:3001"),
    ({"allowed_hosts": "10.0.0.0/8"}, "10.1.2.3:3001"),
    ({"allowed_hosts": "192.0.2.1"}, "192.0.2.1"),
    ({"allowed_hosts": "fd00::/8,a.example"}, "[fd12::1]:1"),
    ({"allowed_hosts": "[fd00::1]"}, "[fd00:0::1]"),
    ({"allowed_hosts": "bücher.example"}, "xn--bcher-kva.example"),
]


def refusal(
    *hosts: str, told: str = "", version: str = "1.1", reached: str = "127.0.0.1", **settings: str
) -> ProblemCode | None:
    """Why a request of these Host headers is refused; told is what a trusted proxy says in X-Forwarded-Host."""
    headers = [(b"host", host.encode()) for host in hosts]
    if told:
        headers.append((b"x-forwarded-host", told.encode()))
    known = HostSettings.model_validate(settings).hosts
    return known.find_refusal(headers, version, reached, by_proxy=bool(told))


def test_unknown_hosts_are_refused() -> None:
    assert {host: refusal(host) for host in UNKNOWN} == dict.fromkeys(UNKNOWN, ProblemCode.UNKNOWN_HOST)
    assert refusal("10.1.2.3", allowed_hosts="10.0.0.0/30") is ProblemCode.UNKNOWN_HOST


def test_the_names_of_this_machine_are_known() -> None:
    assert {host: refusal(host) for host in LOCAL} == dict.fromkeys(LOCAL)


@pytest.mark.parametrize(("settings", "host"), SETTINGS)
def test_a_setting_makes_a_host_known(settings: dict[str, str], host: str) -> None:
    assert refusal(host, **settings) is None


def test_what_is_no_host_is_refused_although_every_host_is_known() -> None:
    """RFC 9112 §3.2"""
    assert {host: refusal(host, allowed_hosts="*") for host in NONE} == dict.fromkeys(NONE, ProblemCode.INVALID_HOST)


def test_a_request_names_one_host() -> None:
    """RFC 9112 §3.2; health checks of load balancers still ask by HTTP/1.0."""
    assert refusal() is refusal("localhost", "localhost") is ProblemCode.INVALID_HOST
    assert refusal(version="1.0") is None
    assert refusal("localhost", "localhost", version="1.0") is ProblemCode.INVALID_HOST


def test_the_address_that_a_connection_came_to_is_known() -> None:
    assert refusal("192.0.2.1:3001", reached="192.0.2.1") is refusal("[fe80::1]", reached="fe80::1%eth0") is None
    assert refusal("192.0.2.2", reached="192.0.2.1") is ProblemCode.UNKNOWN_HOST


def test_a_proxy_names_the_outermost_host_beside_its_own() -> None:
    """Not instead: a page's requests may have that header too, and come from an address that is trusted by default."""
    assert refusal("localhost", told="media.example, inner", allowed_hosts="media.example") is None
    assert refusal("localhost", told="evil.example") is ProblemCode.UNKNOWN_HOST
    assert refusal("evil.example", told="localhost") is ProblemCode.UNKNOWN_HOST
    assert refusal("localhost", told="a/b") is ProblemCode.INVALID_HOST


@pytest.mark.parametrize(
    "wrong", ["https://a.example", "a.example:3001", "a.example/b", "10.0.0.1/8", "a b", "[::1]:1"]
)
def test_hosts_that_can_not_be_meant(wrong: str) -> None:
    with pytest.raises(ValidationError, match="is not a host"):
        HostSettings.model_validate({"allowed_hosts": wrong})
