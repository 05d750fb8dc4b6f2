"""Lists what `make lock` changed in requirements.lock since the last commit, and fails if a version went down.

If an index lags behind, or bounds exclude newer versions, the resolver takes an older one without saying so. A version
may only go down if `--upgrade-package NAME==VERSION` names it.
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
"""by name; several versions if markers choose between them"""


def parse_pins(lock: str) -> Pins:
    parsed: Pins = {}
    for name, version in PIN.findall(lock):
        parsed.setdefault(name, set()).add(Version(version))
    return parsed


def find_changes(before: Pins, now: Pins, named: set[str]) -> tuple[list[str], list[str]]:
    """A line for each change, and the names whose version went down although they are not in named."""
    lines, lowered = [], []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, set()), now.get(name, set())
        if old != new:
            lines.append(f"{name} {_join_versions(old)} -> {_join_versions(new)}")
            if old and new and max(new) < max(old) and name not in named:
                lowered.append(name)
    return lines, lowered


def _join_versions(versions: set[Version]) -> str:
    return ", ".join(str(version) for version in sorted(versions)) or "-"


def main(*arguments: str) -> str | None:
    """Prints the changes, and returns the error message if there is one; arguments are LOCK_ARGS."""
    committed = subprocess.run(["git", "show", f"HEAD:{LOCK}"], check=True, capture_output=True, text=True)  # noqa: S603, S607
    named = {name for argument in arguments for name in NAMED.findall(argument)}
    lines, lowered = find_changes(parse_pins(committed.stdout), parse_pins(Path(LOCK).read_text()), named)
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
