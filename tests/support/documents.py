"""Code out of the documentation, so that what is tested is what a reader copies."""

import re

from support.tree import DOCS

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def block(document: str, language: str, holding: str) -> str:
    """The one block of that language that holds that text."""
    blocks = _BLOCK.findall((DOCS / document).read_text())
    (found,) = [text for kind, text in blocks if kind == language and holding in text]
    return str(found)
