"""How the program starts: its port and its open files."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.watchers import TIMEOUT


def test_a_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = subprocess.run(
            [sys.executable, "-m", "vidferry_gateway"],
            env={
                "VIDFERRY_GATEWAY_HOST": "127.0.0.1",
                "VIDFERRY_GATEWAY_PORT": str(taken.getsockname()[1]),
                "VIDFERRY_LOG_FORMAT": "text",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert result.returncode == 1
    assert "can't listen host=127.0.0.1 port=" in result.stderr
    assert "Traceback" not in result.stderr


def test_as_many_descriptors_as_the_system_allows() -> None:
    script = "ulimit -Sn 64; ulimit -Hn 600; exec $0 -m vidferry_gateway"
    environment = {
        "VIDFERRY_REDIS_URL": "unix:///nowhere/redis.sock", "VIDFERRY_GATEWAY_PORT": "0", "VIDFERRY_ADMIN_PORT": "0",
        "VIDFERRY_GATEWAY_HOST": "127.0.0.1", "VIDFERRY_LOG_FORMAT": "text", "VIDFERRY_GATEWAY_SETTLE_SECONDS": "0",
    }  # fmt: skip
    with subprocess.Popen(
        ["/bin/sh", "-c", script, sys.executable], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "Redis is away" not in said:
                said += process.stderr.readline() or pytest.fail(said)
            limits = Path(f"/proc/{process.pid}/limits").read_text()
        finally:
            process.kill()
    assert "limit=600" in said
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["600", "600"]]
