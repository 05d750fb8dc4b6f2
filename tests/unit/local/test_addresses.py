"""The names by which `make up` is reached: those of this machine, and no others."""

import socket

import pytest

from support.services import MakeUp
from vidferry_local.addresses import machine_names, url_host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_where_only_this_machine_reaches_it_there_are_none(host: str) -> None:
    assert machine_names(host) == []


@pytest.mark.parametrize("name", ["Box", "box.lan.example.org"])
def test_where_others_reach_it_they_are_the_machines(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert machine_names("0.0.0.0") == sorted({name.lower(), "box", "box.local"})


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "localhost"), ("::", "localhost"), ("::1", "[::1]"), ("127.0.0.1", "127.0.0.1")]
)
def test_the_address_to_open_is_one_that_it_answers_to(host: str, shown: str) -> None:
    assert url_host(host) == shown


@pytest.mark.xdist_group("up")
def test_names_of_the_setting_are_added_to_the_machines() -> None:
    with MakeUp(host="0.0.0.0", allowed_hosts="video.example.org") as stack:
        asked = ["video.example.org", f"{socket.gethostname()}:{stack.port}", "localhost", "evil.example"]
        found = [stack.get("/healthz", headers={"Host": host}).status_code for host in asked]
        assert found == [200, 200, 200, 421]
        assert f"open http://localhost:{stack.port}" in stack.log
