"""Settings come from the environment, are built once in a program's main, frozen, and passed down."""

import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NoReturn, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class Settings(BaseSettings):
    """The base of every group of settings: variables begin with VIDFERRY_."""

    model_config = SettingsConfigDict(
        env_prefix="VIDFERRY_", frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False
    )


S = TypeVar("S", bound=Settings)

WRONG_SETTING = 2
"""the exit code for a wrong setting, which a restart would not change"""

_KINDS = {"int": "a whole number", "float": "a number", "finite": "a number", "bool": "true or false"}
"""by the first word of pydantic's names for its errors"""
_BOUNDS = {"greater", "less"}


def split_list(text: str) -> list[str]:
    """The items of a list that is separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The ranges of a list that is separated by commas; ValueError, with a sentence, where one is none."""
    return tuple(map(_parse_network, split_list(text)))


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        around = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address or a range (CIDR), such as 192.168.0.0/16") from None
    try:
        return ip_network(text)
    except ValueError:  # bits are set behind its prefix
        raise ValueError(f"{text!r} has bits set beyond its prefix. Write {around}, or the single IP address") from None


def parse_http_url(text: str) -> SplitResult:
    """The parts of an absolute http or https URL; ValueError, with a sentence, where it is none."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, or a port that is none
        usable = False
    if not usable or any(character.isspace() for character in text):
        raise ValueError("must be an absolute http:// or https:// URL, such as https://media.example.org:8443")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or a password")
    return parts


def variable_of(kind: type[Settings], name: str) -> str:
    """The environment variable of a field: its alias, if others have named it, else VIDFERRY_ and the field's name."""
    alias = kind.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"VIDFERRY_{name.upper()}"


def load_settings(kind: type[S]) -> S:
    """Settings of that class from the environment; a wrong one ends the program with a sentence."""
    try:
        return kind()
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            print(_error_sentence(kind, item), file=sys.stderr)  # noqa: T201 - logging is not set up yet
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
    sys.exit(WRONG_SETTING)


def end_with_wrong_setting(name: str, sentence: str) -> NoReturn:
    """Ends the program as load_settings() does, for what only shows when the setting is used."""
    print(f"{name}: {sentence}.", file=sys.stderr)  # noqa: T201 - for whoever started the program
    sys.exit(WRONG_SETTING)


def _error_sentence(kind: type[Settings], item: Mapping[str, Any]) -> str:
    """Which variable is wrong, and what is right; never its value, which may be a secret in the wrong place."""
    if not item["loc"]:  # of several, which the sentence names
        return f"{_raised_sentence(item)}."
    told = str(item["loc"][0])
    name = next((name for name, field in kind.model_fields.items() if field.validation_alias == told), told)
    return f"{variable_of(kind, name)}: {_what_is_right(kind.model_fields[name], item).rstrip('.')}."


def _what_is_right(field: FieldInfo, item: Mapping[str, Any]) -> str:
    kind, context = str(item["type"]), item.get("ctx", {})
    word = kind.partition("_")[0]
    if kind == "missing":
        return f"is required. {field.description}"
    if kind in {"literal_error", "enum"}:
        return f"must be one of {context['expected']}"
    if word in _KINDS or word in _BOUNDS:
        return f"must be {_number_of(field) if word in _BOUNDS else _KINDS[word]}{_number_range(field)}"
    return _raised_sentence(item)


def _raised_sentence(item: Mapping[str, Any]) -> str:
    """The sentence of a validator of ours, without pydantic's words before it."""
    return str(item.get("ctx", {}).get("error") or item["msg"])


def _number_of(field: FieldInfo) -> str:
    return _KINDS["int"] if "int" in str(field.annotation) else _KINDS["float"]


def _number_range(field: FieldInfo) -> str:
    """The bounds of a number, behind the word for it."""
    bounds = {
        name: getattr(each, name) for each in field.metadata for name in ("ge", "gt", "le") if hasattr(each, name)
    }
    match bounds:
        case {"ge": low, "le": high}:
            return f" from {low} to {high}"
        case {"gt": low, "le": high}:
            return f" above {low}, and at most {high}"
        case {"ge": low}:
            return f" of at least {low}"
        case {"gt": low}:
            return f" above {low}"
    return ""
