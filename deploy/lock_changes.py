"""Says what `make lock` changed in requirements.lock since the last commit, and fails where a version went down.

A resolver takes an older version without a word where an index lags behind or bounds leave nothing newer. Down goes
only what `--upgrade-package NAME==VERSION` names.
"""

import re
import subprocess
import sys
from pathlib import Path

from packaging.version import Version

LOCK = "requirements.lock"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
NAMED = re.compile(r"([A-Za-z0-9._-]+)==")

Pins = dict[str, set[Version]]
"""by name; several versions where markers choose"""


def pins(lock: str) -> Pins:
    found: Pins = {}
    for name, version in PIN.findall(lock):
        found.setdefault(name, set()).add(Version(version))
    return found


def changes(before: Pins, now: Pins, named: set[str]) -> tuple[list[str], list[str]]:
    """A line for each change, and the names of those that went down without being named."""
    lines, lowered = [], []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, set()), now.get(name, set())
        if old != new:
            lines.append(f"{name} {_told(old)} -> {_told(new)}")
            if old and new and max(new) < max(old) and name not in named:
                lowered.append(name)
    return lines, lowered


def _told(versions: set[Version]) -> str:
    return ", ".join(str(version) for version in sorted(versions)) or "-"


def main(*arguments: str) -> str | None:
    """What to say where it fails; arguments are LOCK_ARGS."""
    asked = subprocess.run(["git", "show", f"HEAD:{LOCK}"], check=True, capture_output=True, text=True)  # noqa: S603, S607
    named = {name for argument in arguments for name in NAMED.findall(argument)}
    lines, lowered = changes(pins(asked.stdout), pins(Path(LOCK).read_text()), named)
    print("\n".join(lines) or f"No version in {LOCK} changed.")
    if not lowered:
        return None
    return (
        f"Older than before: {', '.join(lowered)}. Does the index lag behind? Take the lock back by "
        f"`git checkout {LOCK}`, or name the version where that is meant: "
        'LOCK_ARGS="--upgrade-package NAME==VERSION".'
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
