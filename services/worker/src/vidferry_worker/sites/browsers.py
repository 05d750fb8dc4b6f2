"""Browsers to impersonate, by the names that yt-dlp gives them: `chrome`, `chrome-131`, `safari:ios`."""

import re
from collections.abc import Sequence

_NAME = re.compile(r"(?:([^:-]+)(?:-([^:-]+))?)?(?::(?:([^:-]+)(?:-([^:-]+))?)?)?")
"""a browser, its version, a system and its version; each may be left out. As in yt_dlp/networking/impersonate.py"""


def is_browser(name: str, known: Sequence[str]) -> bool:
    """Whether a name is that of a known browser: what it leaves out may be anything."""
    wanted = _NAME.fullmatch(name.lower())
    return wanted is not None and any(
        found and all(None in pair or pair[0] == pair[1] for pair in zip(wanted.groups(), found.groups(), strict=True))
        for found in map(_NAME.fullmatch, known)
    )


def list_browsers(known: Sequence[str]) -> str:
    """The browsers without their versions and systems, for a person."""
    return ", ".join(sorted({re.split("[-:]", name)[0] for name in known}))
