"""What builds images: buildah, podman or docker, whichever is here."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("buildah", "podman", "docker")
PACKAGES = Path(__file__).parents[1] / "apt-packages.txt"


class BuildFailed(Exception):
    """An image could not be built; the text says why and, where something is missing, what to do."""


@dataclass(frozen=True)
class Order:
    """One image to be built from the Dockerfile."""

    target: str
    names: list[str]
    """with their tags; all of them name the same image"""
    arguments: dict[str, str]
    secrets: dict[str, Path]
    timestamp: int
    """seconds since 1970; that of every file and of the image"""


class Builder:
    """A program that builds, by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, order: Order, context: Path) -> None:
        command = [self.name, *self._verb(order.timestamp), "--target", order.target]
        for name in order.names:
            command += ["--tag", name]
        for name, value in order.arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, path in order.secrets.items():
            command += ["--secret", f"id={name},src={path}"]
        run([*command, "--file", str(context / "deploy/images/Dockerfile"), str(context)])

    def save(self, tag: str, archive: Path) -> None:
        """The image as an archive that docker, podman and containerd can load."""
        archive.unlink(missing_ok=True)
        commands = {
            "buildah": ["buildah", "push", "--quiet", f"localhost/{tag}", f"docker-archive:{archive}:{tag}"],
            "podman": ["podman", "save", "--quiet", "--format", "docker-archive", "--output", str(archive), tag],
            "docker": ["docker", "save", "--output", str(archive), tag],
        }
        run(commands[self.name])

    def _verb(self, timestamp: int) -> list[str]:
        if self.name == "docker":
            output = "type=docker,rewrite-timestamp=true"
            stamp = f"SOURCE_DATE_EPOCH={timestamp}"
            return ["buildx", "build", "--provenance=false", "--output", output, "--build-arg", stamp]
        # chroot: a step needs no more privileges than the build has, so that it works in a container too. No cache: it
        # would give images with the labels and the time of an earlier commit.
        return ["build", "--isolation", "chroot", "--layers=false", "--timestamp", str(timestamp)]


def find(name: str | None = None) -> Builder:
    """The builder of that name, or the first that is here. Raises BuildFailed where none is."""
    for candidate in [name] if name else NAMES:
        if shutil.which(candidate):
            return Builder(candidate)
    raise BuildFailed(
        f"{name or 'buildah, podman or docker'} is needed to build images, and isn't here. "
        f"On Debian: apt-get install {' '.join(PACKAGES.read_text().split())}"
    )


def run(command: Sequence[str]) -> None:
    """Runs it quietly. Raises BuildFailed with the end of what it wrote."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - built above
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise BuildFailed(f"{told}\n{json.dumps(list(command))} failed")
