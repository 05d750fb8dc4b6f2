"""The last release, which runs beside the tree here: which it is, how it is installed, and where it differs."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.tree import CACHE, ROOT


@dataclass(frozen=True)
class Release:
    version: str
    commit: str

    def install(self) -> Path:
        """Its Python, with its own packages; it is kept in the cache, and one that was left half-made is made anew."""
        folder = CACHE / "releases" / self.commit
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".installed").exists():
                shutil.rmtree(folder, ignore_errors=True)
                self._check_out(folder)
                # Without what `make test-update` was told itself.
                environment = {
                    name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
                }
                subprocess.run(["make", "-C", str(folder), ".venv/.runtime"], env=environment, check=True)
                (folder / ".installed").touch()
        return folder / ".venv" / "bin" / "python"

    def _check_out(self, folder: Path) -> None:
        known = ["git", "-C", str(ROOT), "cat-file", "-e", f"{self.commit}^{{commit}}"]
        if subprocess.run(known, stderr=subprocess.DEVNULL, check=False).returncode:
            raise LookupError(
                f"Release {self.version} is commit {self.commit}, which this clone's history does not have. "
                "Get it by `git fetch --unshallow`, or `git fetch origin <commit>`."
            )
        folder.mkdir()
        archive = subprocess.Popen(["git", "-C", str(ROOT), "archive", self.commit], stdout=subprocess.PIPE)
        with archive:
            subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout, check=True)
        assert archive.returncode == 0


RELEASE = Release("0.2.0", "f343f8a69f9e66708f9f6bfb3c25c310731dfbdc")
ENVIRONMENT: Mapping[str, str] = {}
"""What it is told besides, where a setting has another name or meaning there."""
UNKNOWN: frozenset[str] = frozenset(
    {"kind", "external_id", "metadata", "parent", "batch", "probe", "status_url", "expires_at", "history"}
)
"""Fields of a job's document that only one of the two knows."""
