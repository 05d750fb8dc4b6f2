"""What the tests need besides Python packages: a browser. `make test` runs it first.

Installs it where it can: by apt-get on Debian with root, else by playwright; else says what is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.browser import DEBIAN

PACKAGES = (Path(__file__).parent / "apt-packages.txt").read_text().split()
CAN_DRIVE = """
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    raise SystemExit(not Path(playwright.chromium.executable_path).exists())
"""


def main() -> None:
    if _is_here():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing the tests' browser with apt-get ...", flush=True)
        ok = _apt("update") and _apt("install", "--yes", "--no-install-recommends", *PACKAGES)
    else:
        print("Installing the tests' browser with playwright ...", flush=True)
        ok = _run(sys.executable, "-m", "playwright", "install", "chromium")
    if not ok:
        sys.exit(
            "The tests need Chromium, and it could not be installed. Install it (on Debian, as root: "
            f"apt-get install {' '.join(PACKAGES)}) and run them again."
        )


def _is_here() -> bool:
    """Debian's with all that goes along, or playwright's own."""
    if shutil.which("dpkg-query") and DEBIAN.exists():
        return _run("dpkg-query", "--show", *PACKAGES, quiet=True)
    return _run(sys.executable, "-c", CAN_DRIVE, quiet=True)


def _apt(*arguments: str) -> bool:
    return _run("apt-get", "-qq", *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, env: dict[str, str] | None = None, quiet: bool = False) -> bool:
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    if done.returncode and not quiet:
        print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    main()
