"""The paths of the gateway, where a proxy sends them to the api."""

import httpx2
import pytest

from support.answers import problem
from support.services import Api


@pytest.mark.parametrize("path", ["/ws/download/x", "/ws/downloads", "/sse/download/x"])
def test_a_path_of_the_gateways_that_lands_here(api: httpx2.Client, shared_api: Api, path: str) -> None:
    """Where no gateway is ready: a 404 would say that there is no such job."""
    problem(api.get(path, headers={"Connection": "Upgrade", "Upgrade": "websocket"}), 503, "not_ready")
    assert "pip install" not in shared_api.log


def test_a_handshake_whose_connection_headers_a_proxy_has_dropped(api: httpx2.Client) -> None:
    """A client that is told 426 doesn't come back."""
    problem(api.get("/ws/downloads", headers={"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}), 503, "not_ready")


@pytest.mark.parametrize("path", ["/ws/download/x", "/ws/downloads"])
def test_a_plain_get_of_a_sockets_url(api: httpx2.Client, path: str) -> None:
    answer = api.get(path)

    problem(answer, 426, "upgrade_required")
    assert (answer.headers["upgrade"], answer.headers["connection"]) == ("websocket", "Upgrade, close")
    assert api.head(path).status_code == 426
