"""The environment of the services: the caller's, with defaults for what it leaves out."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from vidferry_common.contract.webhooks import SECRET_PREFIX
from vidferry_local.addresses import machine_names
from vidferry_local.programs import find_redis_server, provide_ffmpeg
from vidferry_local.settings import LocalSettings

MAX_SOCKET_PATH = 100
"""bytes; Linux allows 107, macOS 103"""


def service_environment(settings: LocalSettings, data: Path, run_folder: Path) -> dict[str, str]:
    """The environment of all services. The caller's variables take precedence. Raises CannotRun without an ffmpeg."""
    env = {
        "VIDFERRY_REDIS_URL": f"unix://{_redis_socket(data, run_folder)}",
        "VIDFERRY_BUCKET": f"file://{data / 'bucket'}",
        "VIDFERRY_WORKER_FOLDER": str(data / "work"),
        # Whoever presses Ctrl-C is waiting. Unfinished downloads continue at the next start.
        "VIDFERRY_GRACE": "2",
        # There is only one caller here.
        "VIDFERRY_CALLER_SHARE": "1",
        "VIDFERRY_GATEWAY_SETTLE_SECONDS": "0",
        "VIDFERRY_GATEWAY_DRAIN_SECONDS": "0",
        "VIDFERRY_GATEWAY_CLOSE_SECONDS": "2",
        "VIDFERRY_ADMIN_HOST": "127.0.0.1",
        # A developer's kernel may lack parts of the sandbox. The worker then logs what is missing.
        "VIDFERRY_SANDBOX": "preferred",
        **os.environ,
        "VIDFERRY_LOG_FORMAT": settings.log_format,
        "VIDFERRY_ADMIN_PORT": str(settings.admin_port),
        "VIDFERRY_ALLOWED_HOSTS": ",".join(
            [os.environ.get("VIDFERRY_ALLOWED_HOSTS", ""), *machine_names(settings.host)]
        ),
        "PYTHONUNBUFFERED": "1",
    }
    env.setdefault("VIDFERRY_SIGNING_KEY", _lasting_secret(data / "signing-key"))
    env.setdefault("VIDFERRY_TICKET_KEYS", _lasting_secret(data / "ticket-key"))
    env.setdefault("VIDFERRY_WEBHOOK_SECRETS", _lasting_secret(data / "webhook-secret", _make_webhook_secret))
    if folder := provide_ffmpeg(data / "bin"):
        env["PATH"] = f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def redis_command(data: Path, run_folder: Path) -> list[str]:
    """The command of the embedded Redis, which listens on a Unix socket and syncs every write before answering."""
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
    return [find_redis_server(), *[part for name, value in options.items() for part in (f"--{name}", value)]]


def _redis_socket(data: Path, run_folder: Path) -> Path:
    path = data / "redis" / "redis.sock"
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else run_folder / "redis.sock"


def _lasting_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """Reads the secret, or makes it the first time: what it signed must stay valid after a restart."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text()


def _make_webhook_secret() -> str:
    return SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()
