"""What the tests need besides Python packages: a browser, nginx and React. `make test` runs it first.

Installs them where it can: by apt-get on Debian with root, the browser elsewhere by playwright. Else it says what is
missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.browser import DEBIAN
from support.nginx import program
from support.react import REACT

PACKAGES = (Path(__file__).parent / "apt-packages.txt").read_text().split()
CAN_DRIVE = """
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    raise SystemExit(not Path(playwright.chromium.executable_path).exists())
"""


def main() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get") and not _run("dpkg-query", "--show", *PACKAGES, quiet=True):
        print("Installing the tests' browser, nginx and React with apt-get ...", flush=True)
        _ = _apt("update") and _apt("install", "--yes", "--no-install-recommends", *PACKAGES)
    if not _has_browser():
        print("Installing the tests' browser with playwright ...", flush=True)
        _run(sys.executable, "-m", "playwright", "install", "chromium")
    there = {"Chromium": _has_browser(), "nginx": program() is not None, f"React (in {REACT})": REACT.is_dir()}
    if missing := [name for name, is_there in there.items() if not is_there]:
        sys.exit(
            f"The tests need {' and '.join(missing)}, and could not install that. Install it (on Debian, as root: "
            f"apt-get install {' '.join(PACKAGES)}) and run them again."
        )


def _has_browser() -> bool:
    """Debian's, or playwright's own."""
    return DEBIAN.exists() or _run(sys.executable, "-c", CAN_DRIVE, quiet=True)


def _apt(*arguments: str) -> bool:
    return _run("apt-get", "-qq", *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, env: dict[str, str] | None = None, quiet: bool = False) -> bool:
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    if done.returncode and not quiet:
        print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    main()
