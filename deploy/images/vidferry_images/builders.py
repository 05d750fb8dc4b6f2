"""The programs that build images: buildah, podman and docker."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("buildah", "podman", "docker")
PACKAGES = Path(__file__).parents[1] / "apt-packages.txt"


class BuildFailed(Exception):
    """An image could not be built. The text says why, and what to install if a program is missing."""


@dataclass(frozen=True)
class BuildSpec:
    """The specification of one image to build from the Dockerfile."""

    target: str
    names: list[str]
    """with tags; all of them name the same image"""
    arguments: dict[str, str]
    secrets: dict[str, Path]
    timestamp: int
    """seconds since 1970: the time of the image and of every file in it"""


class Builder:
    """A program that builds images."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, spec: BuildSpec, context: Path) -> None:
        command = [self.name, *self._build_arguments(spec.timestamp), "--target", spec.target]
        for name in spec.names:
            command += ["--tag", name]
        for name, value in spec.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, path in spec.secrets.items():
            command += ["--secret", f"id={name},src={path}"]
        run_command([*command, "--file", str(context / "deploy/images/Dockerfile"), str(context)])

    def save(self, tag: str, archive: Path) -> None:
        """Writes the image as an archive that docker, podman and containerd can load."""
        archive.unlink(missing_ok=True)
        commands = {
            "buildah": ["buildah", "push", "--quiet", f"localhost/{tag}", f"docker-archive:{archive}:{tag}"],
            "podman": ["podman", "save", "--quiet", "--format", "docker-archive", "--output", str(archive), tag],
            "docker": ["docker", "save", "--output", str(archive), tag],
        }
        run_command(commands[self.name])

    def _build_arguments(self, timestamp: int) -> list[str]:
        if self.name == "docker":
            output = "type=docker,rewrite-timestamp=true"
            stamp = f"SOURCE_DATE_EPOCH={timestamp}"
            return ["buildx", "build", "--provenance=false", "--output", output, "--build-arg", stamp]
        # chroot: steps need no more privileges than the build itself, so that it works in a container too. No cache:
        # images would get the labels and the time of an earlier commit.
        return ["build", "--isolation", "chroot", "--layers=false", "--timestamp", str(timestamp)]


def find_builder(name: str | None = None) -> Builder:
    """The builder of that name, or the first that is installed. Raises BuildFailed if there is none."""
    for candidate in [name] if name else NAMES:
        if shutil.which(candidate):
            return Builder(candidate)
    raise BuildFailed(
        f"{name or 'buildah, podman or docker'} is needed to build images, and isn't here. "
        f"On Debian: apt-get install {' '.join(PACKAGES.read_text().split())}"
    )


def run_command(command: Sequence[str]) -> None:
    """Runs a command without output. Raises BuildFailed with the end of its output if it fails."""
    result = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - built above
    if result.returncode:
        output = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        raise BuildFailed(f"{output}\n{json.dumps(list(command))} failed")
