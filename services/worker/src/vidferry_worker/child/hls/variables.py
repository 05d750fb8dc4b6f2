"""Variables of a playlist (EXT-X-DEFINE, draft-pantos-hls-rfc8216bis §4.3 and §4.4.2.3), and `{$name}` for them.

A value is put in as it is: what looks like a variable in it is none, so nothing grows by itself.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from vidferry_worker.child.hls.tags import has_tag, parse_attributes, unsupported

DEFINE = "#EXT-X-DEFINE"
MOST_VARIABLES = 1000
MOST_CHARACTERS = 64 * 1024**2
"""put in for variables"""
_REFERENCE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
_NOT_IN_QUOTES = re.compile(r'["\r\n]')

Variables = Mapping[str, str]


def substitute(lines: list[str], address: str, imported: Variables) -> tuple[list[str], Variables]:
    """The lines of the playlist of that address, its variables replaced, and what they are.

    imported: those of the multivariant playlist that names this one. JobFailure where the list leaves one undefined;
    a list that defines none has none.
    """
    if not any(has_tag(line, DEFINE) for line in lines):
        return lines, {}
    variables: dict[str, str] = {}
    written, added = [], 0
    for line in lines:
        if has_tag(line, DEFINE):
            variables.update([_define(parse_attributes(line), address, imported)])
            if len(variables) > MOST_VARIABLES:
                raise unsupported(f"a playlist of more than {MOST_VARIABLES} variables")
        else:
            written.append(_replace(line, variables, MOST_CHARACTERS - added))
            added += max(0, len(written[-1]) - len(line))
    return written, variables


def _define(attributes: Mapping[str, str], address: str, imported: Variables) -> tuple[str, str]:
    """A variable's name and value."""
    if "NAME" in attributes:
        return attributes["NAME"], attributes.get("VALUE", "")
    if name := attributes.get("IMPORT"):
        if name not in imported:
            raise unsupported(f"the variable {name[:100]} is imported and not defined")
        return name, imported[name]
    name = attributes.get("QUERYPARAM", "")
    value = next(iter(parse_qs(urlsplit(address).query).get(name, [])), "")
    if not value or _NOT_IN_QUOTES.search(value):
        raise unsupported(f"the variable {name[:100]} is not in the playlist's address")
    return name, value


def _replace(line: str, variables: Variables, most: int) -> str:
    """The line, of which a URI and the values of attributes may have variables."""
    if "{$" not in line or (line.startswith("#") and not line.startswith("#EXT-X-")):
        return line
    length = 0

    def value(reference: re.Match[str]) -> str:
        nonlocal length
        if reference[1] not in variables:
            raise unsupported(f"the variable {reference[1][:100]} is not defined")
        length += len(variables[reference[1]])
        if length > most:
            raise unsupported(f"variables of more than {MOST_CHARACTERS} characters")
        return variables[reference[1]]

    return _REFERENCE.sub(value, line)
