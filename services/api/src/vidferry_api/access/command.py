"""Makes API keys. A key is shown once: Vidferry only ever keeps its SHA-256."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from vidferry_api.access.key_store import key_digest, make_key
from vidferry_common.contract.scopes import OWNER, USUAL_SCOPES, Scope


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    key = make_key()
    entry = key_entry(key, given.name, given.owner, given.scope or USUAL_SCOPES, given.expires)
    sys.stdout.write(
        f"# The key. It is not kept anywhere, so it can't be shown again.\n{key}\n\n"
        f"# Its entry for the file that VIDFERRY_ACCESS_KEYS_FILE names.\n{entry}"
    )


def key_entry(key: str, name: str, owner: str, scopes: Sequence[Scope], expires: datetime | None) -> str:
    """The key's table in TOML. name and owner: of the letters that the file allows."""
    quoted = ", ".join(f'"{scope}"' for scope in scopes)
    lines = [
        "[[keys]]",
        f'name = "{name}"',
        f'owner = "{owner}"',
        f'sha256 = "{key_digest(key).hex()}"',
        f"scopes = [{quoted}]",
    ]
    if expires is not None:
        lines.append(f"expires = {expires.isoformat()}")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vidferry_api.access", description="Makes API keys.")
    commands = parser.add_subparsers(required=True, metavar="new")
    new = commands.add_parser("new", help="make a key, and print it with its entry for the keys file")
    new.add_argument("--name", type=_name, required=True, help="of the key, for logs, such as ci")
    new.add_argument("--owner", type=_name, required=True, help="whose jobs it creates and sees, such as team-a")
    new.add_argument(
        "--scope", type=Scope, action="append", metavar="SCOPE",
        help=f"{', '.join(Scope)}; may be repeated; by default {', '.join(USUAL_SCOPES)}",
    )  # fmt: skip
    new.add_argument("--expires", type=_expiry, help="a date or time, such as 2027-01-31; UTC unless it has a zone")
    return parser


def _name(text: str) -> str:
    if not OWNER.fullmatch(text):
        raise argparse.ArgumentTypeError("use 1 to 64 letters, digits, dots, hyphens, underscores or @")
    return text


def _expiry(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("use a date or time, such as 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
