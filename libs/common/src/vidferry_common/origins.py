"""Origins of web pages (RFC 6454), as settings name them."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from vidferry_common.settings import listed


def _split(value: object) -> object:
    return tuple(part.rstrip("/") for part in listed(value)) if isinstance(value, str) else value


def _each_an_origin(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        scheme, _, host = origin.partition("://")
        if origin != "*" and (scheme not in {"http", "https"} or not host or "/" in host):
            msg = f"{origin!r} is no origin such as https://app.example.org"
            raise ValueError(msg)
    return value


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_each_an_origin)]
"""separated by commas in the environment; `*` is every origin"""
