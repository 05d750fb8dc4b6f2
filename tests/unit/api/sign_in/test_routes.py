"""What a client is told before it has a key."""

from pathlib import Path

import httpx2

from support.access import KeysFile
from unit.api.conftest import OpenApp


def test_open_access(api: httpx2.Client) -> None:
    assert api.get("/api/access").json() == {"mode": "none", "issuer": None}
    assert api.head("/api/access").status_code == 200


def test_access_by_key(open_app: OpenApp, tmp_path: Path) -> None:
    client = open_app(**KeysFile(tmp_path / "keys.toml").settings())
    assert client.get("/api/access").json() == {"mode": "keys", "issuer": None}
