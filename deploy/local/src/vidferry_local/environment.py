"""What the services are told: the caller's environment, and what that leaves open."""

import os
import secrets
from pathlib import Path

from vidferry_local.place import machine_names
from vidferry_local.programs import ffmpeg_folder, redis_server
from vidferry_local.settings import LocalSettings

MAX_SOCKET_PATH = 100
"""bytes; Linux allows 107, macOS 103"""


def service_environment(settings: LocalSettings, data: Path, run_folder: Path) -> dict[str, str]:
    """Every setting of a service may be given by the caller; ProgramMissing where ffmpeg is nowhere."""
    env = {
        "VIDFERRY_REDIS_URL": f"unix://{_redis_socket(data, run_folder)}",
        "VIDFERRY_BUCKET": f"file://{data / 'bucket'}",
        "VIDFERRY_WORKER_FOLDER": str(data / "work"),
        # Who presses Ctrl-C waits, and what isn't done goes on at the next start.
        "VIDFERRY_GRACE": "2",
        # There is one person here.
        "VIDFERRY_CALLER_SHARE": "1",
        "VIDFERRY_GATEWAY_SETTLE_SECONDS": "0",
        "VIDFERRY_GATEWAY_DRAIN_SECONDS": "0",
        "VIDFERRY_GATEWAY_CLOSE_SECONDS": "2",
        "VIDFERRY_ADMIN_HOST": "127.0.0.1",
        # Anybody's machine: what its kernel lacks, it does without, and says so.
        "VIDFERRY_SANDBOX": "preferred",
        **os.environ,
        "VIDFERRY_LOG_FORMAT": settings.log_format,
        "VIDFERRY_ADMIN_PORT": str(settings.admin_port),
        "VIDFERRY_ALLOWED_HOSTS": ",".join(
            [os.environ.get("VIDFERRY_ALLOWED_HOSTS", ""), *machine_names(settings.host)]
        ),
        "PYTHONUNBUFFERED": "1",
    }
    env.setdefault("VIDFERRY_SIGNING_KEY", _signing_key(data / "signing-key"))
    if folder := ffmpeg_folder(data / "bin"):
        env["PATH"] = f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def redis_command(data: Path, run_folder: Path) -> list[str]:
    """The embedded Redis: on a Unix socket, every write on disk before it is answered."""
    folder = data / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(_redis_socket(data, run_folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory": "384mb",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "redis.log"),
    }
    return [redis_server(), *[part for name, value in options.items() for part in (f"--{name}", value)]]


def _redis_socket(data: Path, run_folder: Path) -> Path:
    path = data / "redis" / "redis.sock"
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else run_folder / "redis.sock"


def _signing_key(path: Path) -> str:
    """Made once, so that links outlive a restart."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()
