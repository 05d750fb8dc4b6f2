"""What the tests need besides Python packages: a browser. `make test` runs it first.

Installs it where it can: by apt-get on Debian with root, else by playwright; else says what is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DEBIAN_CHROMIUM = Path("/usr/bin/chromium")
PACKAGES = Path(__file__).parent / "apt-packages.txt"


def main() -> None:
    if DEBIAN_CHROMIUM.exists() or _playwright_has_one():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing the tests' browser with apt-get ...", flush=True)
        ok = _apt("update") and _apt("install", "--yes", "--no-install-recommends", *PACKAGES.read_text().split())
    else:
        print("Installing the tests' browser with playwright ...", flush=True)
        ok = _run(sys.executable, "-m", "playwright", "install", "chromium")
    if not ok:
        sys.exit(
            "The tests need Chromium, and it could not be installed. Install it (on Debian, as root: "
            "apt-get install chromium) and run them again."
        )


def _playwright_has_one() -> bool:
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def _apt(*arguments: str) -> bool:
    return _run("apt-get", "-qq", *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, env: dict[str, str] | None = None) -> bool:
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    main()
