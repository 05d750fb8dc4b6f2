"""The PrometheusRule: that it is complete, and that each value stands where it is meant."""

import re
from typing import Any

import pytest
import yaml

from support.chart import CHART, NAMESPACE, nested, render
from support.tree import DOCS

FILE = (CHART / "files" / "alerts.yaml").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["alerts"]
NUMBERS = {**VALUES["objectives"], **VALUES["thresholds"]}
RUNBOOKS = (DOCS / "runbooks.md").read_text()


def rules(**values: Any) -> list[dict[str, Any]]:
    resource = render(nested("metrics.alerts", {"enabled": True, **values})).get("PrometheusRule")
    return [rule for group in resource["spec"]["groups"] for rule in group["rules"]]


def alerts(**values: Any) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(**values) if "alert" in rule}


ALERTS = [name.removeprefix("- alert: ") for name in re.findall(r"- alert: \w+", FILE)]


def test_it_is_made_on_request() -> None:
    assert not render().all("PrometheusRule")
    assert len(alerts()) == len(ALERTS) == len(set(ALERTS)) > 20


def test_every_number_of_the_expressions_is_a_value_and_every_value_is_used() -> None:
    assert set(re.findall(r"@(\w+)@", FILE)) == {*NUMBERS, "namespace", "runbooks"}


def test_each_value_stands_where_its_name_stood() -> None:
    objectives = {name: round(0.95 + number / 1000, 3) for number, name in enumerate(VALUES["objectives"])}
    thresholds = {
        name: number + 2 if isinstance(default, int) else round(0.11 + number / 100, 2)
        for number, (name, default) in enumerate(VALUES["thresholds"].items())
    }
    expected = FILE.replace("@namespace@", NAMESPACE).replace("@runbooks@", "https://wiki.example/a")
    for name, value in {**objectives, **thresholds}.items():
        expected = expected.replace(f"@{name}@", str(value))
    found = rules(objectives=objectives, thresholds=thresholds, runbooks="https://wiki.example/a")
    assert found == [rule for group in yaml.safe_load(expected)["groups"] for rule in group["rules"]]


def test_an_alert_can_be_left_out() -> None:
    left = alerts(disabled=["VidferrySandboxMissing", "VidferrySiteFails"])
    assert set(ALERTS) - set(left) == {"VidferrySandboxMissing", "VidferrySiteFails"}


@pytest.mark.parametrize("name", ALERTS)
def test_each_says_what_it_is_about_and_has_a_section_that_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"[A-Z{].*\.", rule["annotations"]["summary"])
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
    section = RUNBOOKS.split(f"\n### {name}\n")[1].split("\n#")[0]
    places = [section.index(part) for part in ("**It means**", "**See it**", "**Do**")]
    assert places == sorted(places)


def test_every_section_is_of_an_alert() -> None:
    assert set(re.findall(r"^### (Vidferry\w+)$", RUNBOOKS, re.MULTILINE)) == set(ALERTS)
