"""Substitutes the variables of a playlist, `{$name}` (EXT-X-DEFINE, draft-pantos-hls-rfc8216bis §4.3 and §4.4.2.3).

Values are inserted as they are: variables in a value are not substituted, so the text can't grow without bound.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from vidferry_worker.child.hls.tags import has_tag, parse_attributes, unsupported_stream

DEFINE = "#EXT-X-DEFINE"
MAX_VARIABLES = 1000
MAX_CHARACTERS = 64 * 1024**2
"""inserted for variables, in all"""
_REFERENCE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
_NOT_IN_QUOTES = re.compile(r'["\r\n]')

Variables = Mapping[str, str]


def substitute_variables(lines: list[str], url: str, imported: Variables) -> tuple[list[str], Variables]:
    """The lines of the playlist at a URL with its variables substituted, and the variables.

    imported: the variables of the multivariant playlist. JobFailure where a variable is not defined. A playlist that
    defines no variables is not changed.
    """
    if not any(has_tag(line, DEFINE) for line in lines):
        return lines, {}
    variables: dict[str, str] = {}
    written, added = [], 0
    for line in lines:
        if has_tag(line, DEFINE):
            variables.update([_read_definition(parse_attributes(line), url, imported)])
            if len(variables) > MAX_VARIABLES:
                raise unsupported_stream(f"a playlist of more than {MAX_VARIABLES} variables")
        else:
            written.append(_replace_references(line, variables, MAX_CHARACTERS - added))
            added += max(0, len(written[-1]) - len(line))
    return written, variables


def _read_definition(attributes: Mapping[str, str], url: str, imported: Variables) -> tuple[str, str]:
    """The name and value of a definition."""
    if "NAME" in attributes:
        return attributes["NAME"], attributes.get("VALUE", "")
    if name := attributes.get("IMPORT"):
        if name not in imported:
            raise unsupported_stream(f"the variable {name[:100]} is imported and not defined")
        return name, imported[name]
    name = attributes.get("QUERYPARAM", "")
    value = next(iter(parse_qs(urlsplit(url).query).get(name, [])), "")
    if not value or _NOT_IN_QUOTES.search(value):
        raise unsupported_stream(f"the variable {name[:100]} is not in the playlist's address")
    return name, value


def _replace_references(line: str, variables: Variables, most: int) -> str:
    """Substitutes variables in a URI, or in the attribute values of a tag."""
    if "{$" not in line or (line.startswith("#") and not line.startswith("#EXT-X-")):
        return line
    length = 0

    def value(reference: re.Match[str]) -> str:
        nonlocal length
        if reference[1] not in variables:
            raise unsupported_stream(f"the variable {reference[1][:100]} is not defined")
        length += len(variables[reference[1]])
        if length > most:
            raise unsupported_stream(f"variables of more than {MAX_CHARACTERS} characters")
        return variables[reference[1]]

    return _REFERENCE.sub(value, line)
