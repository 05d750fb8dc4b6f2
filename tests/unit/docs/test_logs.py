"""docs/logs.md has a row for each event that the services log, and no other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from support.tree import ROOT
from vidferry_common.contract.errors import ErrorCode, JobFailure

LEVELS = {"debug", "info", "warning", "error", "critical"}
METHODS = {*LEVELS, "exception", "log"}
SERVICES = {"vidferry_api": "api", "vidferry_worker": "worker", "vidferry_gateway": "gateway"}
PAGE = (ROOT / "docs/logs.md").read_text()


@dataclass(frozen=True)
class Call:
    """A call that logs an event."""

    place: str
    event: str
    level: str
    """empty where it is chosen as it is logged"""
    service: str
    """empty where several may log it"""
    fields: frozenset[str]
    """those that the call spells out"""


@dataclass(frozen=True)
class Row:
    """A row of the page."""

    levels: frozenset[str]
    services: frozenset[str]
    fields: frozenset[str]


@cache
def calls() -> tuple[Call, ...]:
    files = chain((ROOT / "libs").rglob("src/**/*.py"), (ROOT / "services").rglob("src/**/*.py"))
    return tuple(call for file in files if "getLogger" in (text := file.read_text()) for call in read_calls(file, text))


def read_calls(file: Path, text: str) -> Iterator[Call]:
    tree = ast.parse(text)
    loggers = {name for node in ast.walk(tree) if isinstance(node, ast.Assign) for name in names_of_loggers(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_logged(node.func, loggers):
            yield read_call(node, file)


def names_of_loggers(node: ast.Assign) -> list[str]:
    """The names that the assignment gives a logger."""
    is_logger = ast.unparse(node.value).startswith(("logging.getLogger(", "getLogger("))
    return [ast.unparse(target) for target in node.targets] if is_logger else []


def is_logged(function: ast.expr, loggers: set[str]) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in METHODS and ast.unparse(function.value) in loggers


def read_call(node: ast.Call, file: Path) -> Call:
    assert isinstance(node.func, ast.Attribute)
    place = f"{file.relative_to(ROOT)}:{node.lineno}"
    _, *arguments = node.args if node.func.attr == "log" else (None, *node.args)
    assert len(arguments) == 1, f"{place}: what differs belongs into fields"
    assert isinstance(arguments[0], ast.Constant), f"{place}: the message is no constant"
    level = {"exception": "error", "log": ""}.get(node.func.attr, node.func.attr)
    extra = [keyword.value for keyword in node.keywords if keyword.arg == "extra"]
    keys = [key for value in extra for each in ast.walk(value) if isinstance(each, ast.Dict) for key in each.keys]
    fields = frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))
    package = next(part for part in file.parts if part.startswith("vidferry_"))
    return Call(place, str(arguments[0].value), level, SERVICES.get(package, ""), fields)


def rows() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for line in PAGE.partition("\n## Events\n")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and (event := re.fullmatch(r"`(.+)`", cells[0])):
            assert event[1] not in found, f"{event[1]} is there twice"
            levels, services = (frozenset(cell.split(", ")) for cell in cells[1:3])
            found[event[1]] = Row(levels, services, frozenset(re.findall(r"`(\w+)`", cells[3])))
    return found


def test_each_event_is_there_with_its_level_service_and_fields() -> None:
    known, wrong = rows(), []
    for call in calls():
        row = known.get(call.event)
        if row is None:
            wrong.append(f"{call.place}: no row `{call.event}`")
            continue
        if call.level and call.level not in row.levels:
            wrong.append(f"{call.place}: the level of `{call.event}` is {call.level}")
        if call.service and call.service not in row.services:
            wrong.append(f"{call.place}: the {call.service} logs `{call.event}`")
        if missing := call.fields - row.fields:
            wrong.append(f"{call.place}: `{call.event}` has {sorted(missing)}")
    assert not wrong, "\n".join(["docs/logs.md:", *wrong])


def test_each_row_is_an_event_that_its_services_log() -> None:
    logged: dict[str, set[str]] = {}
    for call in calls():
        logged.setdefault(call.event, set()).add(call.service)
    for event, row in rows().items():
        assert event in logged, f"nothing logs `{event}`"
        assert row.levels <= LEVELS | {"by code"}, event
        assert row.services <= {*SERVICES.values(), "all"}, event
        assert "" in logged[event] or row.services == logged[event], f"`{event}` is logged by {logged[event]}"


def test_the_codes_have_the_levels_that_it_says() -> None:
    said = PAGE.partition("have the level of their `code`:")[2].partition("`info` for all others")[0]
    levels = dict.fromkeys(ErrorCode, "INFO")
    for level, codes in re.findall(r"`(error|warning)` for ((?:`\w+`[,\s]*(?:and )?)+)", said):
        levels |= dict.fromkeys(map(ErrorCode, re.findall(r"`(\w+)`", codes)), level.upper())
    numbers = {"INFO": 20, "WARNING": 30, "ERROR": 40}
    assert {code: JobFailure(code).log_level for code in ErrorCode} == {
        code: numbers[level] for code, level in levels.items()
    }
