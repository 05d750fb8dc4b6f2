"""Credentials: names for sets of cookies that a request can ask for."""

import re

PATTERN = "^[a-z0-9][a-z0-9-]{0,31}$"
"""of a credential's name. Neither dots nor underscores, which part it from a site in the name of a file of cookies"""
MAX_NAME = 32
_NAME = re.compile(PATTERN.removesuffix("$"))


def is_credential(name: object) -> bool:
    """Whether it can be the name of a credential."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
