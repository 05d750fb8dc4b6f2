"""nginx with a configuration, in a folder of its own; as any user."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 20
NOBODY = 65534

_MAIN = """daemon off;
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def program() -> str | None:
    """Debian has it where an ordinary user's PATH does not lead."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def nginx(site: str, port: int, certificate: Path, *, as_nobody: bool = False) -> Iterator[Path]:
    """Running from when the port is taken on; its folder. The site finds the certificate and its key there."""
    found = program()
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="vidferry-nginx-") as name:
        folder = Path(name)
        # Its workers are another user's where it is started by root.
        user = "user root;" if os.geteuid() == 0 and not as_nobody else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))
        (folder / "site.conf").write_text(site.replace("@folder@", name))
        shutil.copy(certificate, folder / "certificate.pem")
        owner = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_nobody and os.geteuid() == 0 else {}
        if owner:
            for path in (folder, *folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        command = [found, "-e", "stderr", "-p", name, "-c", str(folder / "nginx.conf")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **owner)  # type: ignore[call-overload]
        try:
            _wait(process, port, folder / "log")
            yield folder
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
