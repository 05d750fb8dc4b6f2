"""Settings come from the environment, are built once in a program's main, frozen, and passed down."""

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The base of every group of settings: variables begin with VIDFERRY_."""

    model_config = SettingsConfigDict(env_prefix="VIDFERRY_", frozen=True, extra="ignore", env_ignore_empty=True)


S = TypeVar("S", bound=Settings)


def listed(text: str) -> list[str]:
    """What a variable names, separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def load(kind: type[S]) -> S:
    """The settings of that kind from the environment; a wrong one ends the program with a sentence."""
    try:
        return kind()
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            name = "VIDFERRY_" + "_".join(str(part) for part in item["loc"]).upper()
            print(f"{name}: {item['msg']}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        sys.exit(2)
