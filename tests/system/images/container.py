"""Runs an image's program as a restricted container would: no root, no new privileges, nothing to write but /tmp.

Needs root and buildah, and no container runtime, so that it works inside a container too.
"""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# A mount namespace of its own: what is mounted here ends with the program. The program takes the shell's place, so that
# signals reach it.
ENTER = """
set -eu
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=1777,size=512m tmpfs "$1/tmp"
mount -t proc -o ro proc "$1/proc"
mount --rbind /dev "$1/dev"
for volume in $2; do
    mkdir -p "$1/tmp/volumes/${volume##*/}"
    mount --bind "$volume" "$1/tmp/volumes/${volume##*/}"
done
root=$1
shift 2
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec="$1" --groups= "$root" \
    /usr/bin/env -i "${@:2}"
"""
VOLUMES = Path("/tmp/volumes")
"""where a container finds the folders it is given, by their names"""


class Container:
    """An image, unpacked once."""

    def __init__(self, image: str, config: Mapping[str, Any]) -> None:
        self.config = config["config"]
        self._name = _buildah("from", image)
        self.root = Path(_buildah("mount", self._name))

    def close(self) -> None:
        _buildah("rm", self._name)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> str:
        """What it writes to both outputs; raises CalledProcessError where it fails, with that."""
        done = self.try_run(*arguments, env=env, timeout=timeout)
        assert done.returncode == 0, f"{done.returncode}: {done.stdout}"
        return done.stdout

    def try_run(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Its program, or the arguments in its place, without a network."""
        command = self._command(arguments, env or {}, [], "--net")
        return subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
        )

    def start(self, log: Path, volumes: list[Path], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Its program, on this machine's network."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self._command((), env, volumes), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _command(self, arguments: tuple[str, ...], env: Mapping[str, str], volumes: list[Path], *own: str) -> list[str]:
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        return [
            "unshare", "--mount", "--propagation", "private", *own, "bash", "-c", ENTER, "enter", str(self.root),
            " ".join(map(shlex.quote, map(str, volumes))), self.config["User"], *variables,
            *(arguments or self.config["Entrypoint"]),
        ]  # fmt: skip


def _buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()
