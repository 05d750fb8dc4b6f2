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
