"""The program of `helm test` against a running Vidferry."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.chart import CHART, render, secret_text
from support.nginx import nginx
from support.origin.site import Site
from support.ports import free_port
from support.services import MakeUp
from support.tls import self_signed

PUBLIC = "https://media.example.org/films"
INGRESS = """
server {
    listen 127.0.0.1:@port@ ssl;
    ssl_certificate @folder@/certificate.pem;
    ssl_certificate_key @folder@/certificate.pem;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    location / { proxy_pass http://127.0.0.1:@stack@; }
    location /films/ws/ {
        proxy_pass http://127.0.0.1:@stack@;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
    }
}
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[MakeUp]:
    with MakeUp(public_url=PUBLIC) as found:
        yield found


@dataclass(frozen=True)
class Guarded:
    """A Vidferry that asks for a key, with the keys that the chart makes."""

    stack: MakeUp
    key: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    rendered = render()
    file = tmp_path_factory.mktemp("access") / "keys.toml"
    file.write_text(secret_text(rendered, "access", "keys.toml"))
    ticket_keys = secret_text(rendered, "tickets", "ticket-keys")
    with MakeUp(access="keys", access_keys_file=str(file), ticket_keys=ticket_keys, public_url=PUBLIC) as found:
        yield Guarded(found, secret_text(rendered, "first-key", "key"))


@pytest.fixture
def ingress(stack: MakeUp, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What says where Vidferry's public address is served; its certificate is nobody's."""
    port = free_port()
    site = INGRESS.replace("@port@", str(port)).replace("@stack@", str(stack.port))
    with nginx(site, port, self_signed(tmp_path, "media.example.org")):
        yield {"PUBLIC": PUBLIC, "CONNECT_TO": f"127.0.0.1:{port}"}


def checks(port: int, **env: str) -> subprocess.CompletedProcess[str]:
    address = f"http://localhost:{port}"
    return subprocess.run(
        [sys.executable, "-I", CHART / "files" / "checks.py"],
        env={"PATH": os.environ["PATH"], "API": address, "GATEWAY": address, "SECONDS": "60", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.xdist_group("folder")
def test_a_whole_vidferry_passes(stack: MakeUp, site: Site) -> None:
    done = checks(stack.port, ORIGIN=site.url("/media/clip.mp4"))
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("passed")]
    assert passed == ["services_answer", "address_refused", "unknown_job", "whole_download"], done.stdout
    assert done.returncode == 0


@pytest.mark.xdist_group("folder")
def test_a_download_that_fails_is_told(stack: MakeUp, site: Site) -> None:
    done = checks(stack.port, ORIGIN=site.url("/nowhere.mp4"))
    assert done.returncode == 1
    assert "FAILED whole_download" in done.stdout
    assert "ended as failed" in done.stdout


@pytest.mark.xdist_group("folder")
def test_a_job_is_sent_and_watched_by_the_public_address(stack: MakeUp, ingress: dict[str, str]) -> None:
    done = checks(stack.port, CHECK_CERTIFICATE="false", **ingress)
    assert "passed public_address" in done.stdout, done.stdout
    assert done.returncode == 0


@pytest.mark.xdist_group("folder")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "certificate verify failed"),
        ({"CHECK_CERTIFICATE": "false", "PUBLIC": "https://media.example.org"}, "answers the handshake with"),
        ({"CHECK_CERTIFICATE": "false", "PUBLIC": "https://elsewhere.example.org/films"}, "is answered with 421"),
        ({"CONNECT_TO": "127.0.0.1:1"}, "Connection refused"),
    ],
    ids=["certificate", "no WebSockets", "host", "nobody"],
)
def test_a_public_address_that_does_not_lead_here_is_told(
    stack: MakeUp, ingress: dict[str, str], change: dict[str, str], told: str
) -> None:
    done = checks(stack.port, **ingress | change)
    (line,) = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert line.startswith("FAILED public_address: https://")
    assert told in line
    assert "tests.public.connectTo" in line
    assert done.returncode == 1


@pytest.mark.xdist_group("folder")
def test_the_first_key_passes_where_nothing_else_does(guarded: Guarded, site: Site) -> None:
    done = checks(guarded.stack.port, ACCESS="keys", KEY=guarded.key, ORIGIN=site.url("/media/clip.mp4"))
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("passed")]
    assert passed == ["services_answer", "key_required", "address_refused", "unknown_job", "whole_download"], (
        done.stdout
    )
    assert done.returncode == 0


@pytest.mark.xdist_group("folder")
def test_without_a_key_no_job_is_tried(guarded: Guarded, site: Site) -> None:
    done = checks(guarded.stack.port, ACCESS="keys", ORIGIN=site.url("/media/clip.mp4"))
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("passed")]
    assert passed == ["services_answer", "key_required"], done.stdout
    assert "set tests.accessKey.existingSecret" in done.stdout
    assert done.returncode == 0


@pytest.mark.xdist_group("folder")
def test_a_wrong_key_is_told_and_not_shown(guarded: Guarded) -> None:
    wrong = "vf_" + "w" * 43
    done = checks(guarded.stack.port, ACCESS="keys", KEY=wrong)
    assert "FAILED address_refused: POST /api/download is answered with 401" in done.stdout
    assert wrong not in done.stdout + done.stderr
    assert done.returncode == 2


@pytest.mark.xdist_group("folder")
def test_an_api_that_asks_for_no_key_is_told(stack: MakeUp) -> None:
    done = checks(stack.port, ACCESS="keys", KEY="vf_" + "w" * 43)
    assert "FAILED key_required: POST /api/download with no key is answered with 202" in done.stdout
    assert "FAILED address_refused: the api answers for it without a key with 200" in done.stdout
    assert done.returncode == 2


def test_without_a_vidferry_every_check_fails() -> None:
    done = checks(free_port())
    assert done.returncode == 3
    assert done.stdout.count("FAILED") == 3
