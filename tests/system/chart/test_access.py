"""Who may use an installation: the chart's keys, where they are kept, and which pods have them."""

import hashlib
import json
import tomllib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.chart import CHART, Rendered, merged, nested, render, render_upgrade, secret_text
from support.kubernetes_api import serve_secrets
from system.chart.value_sets import KEYS, OIDC, OPEN, OWN_SECRETS, SHA256, USER_HEADER, ingress
from vidferry_api.access.principal import OwnerLimits
from vidferry_api.access_settings import ALGORITHMS
from vidferry_common.access import MIN_KEY_LENGTH
from vidferry_common.contract.scopes import Scope

MADE = {"vidferry-access", "vidferry-first-key", "vidferry-tickets"}
SETTINGS = ("VIDFERRY_ACCESS", "VIDFERRY_OIDC", "VIDFERRY_SHARE", "VIDFERRY_TICKET")


def keys_file(rendered: Rendered) -> dict[str, Any]:
    return tomllib.loads(secret_text(rendered, "access", "keys.toml"))


def secrets(rendered: Rendered) -> set[str]:
    return {each["metadata"]["name"] for each in rendered.all("Secret")}


def names(rendered: Rendered, service: str) -> set[str]:
    """Of all settings of access that a service has, from its ConfigMap and from Secrets."""
    env = rendered.pod(service)["containers"][0]["env"]
    given = {*rendered.settings(service), *(each["name"] for each in env)}
    return {name for name in given if name.startswith(SETTINGS)}


def test_by_default_a_key_is_asked_for_and_made() -> None:
    rendered = render()
    key = secret_text(rendered, "first-key", "key")
    assert len(key) == len("vf_") + 43
    assert key.startswith("vf_")
    assert key.removeprefix("vf_").isalnum()
    every = ["jobs:write", "jobs:read", "objects:read", "objects:delete"]
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert keys_file(rendered) == {"keys": [{"name": "first", "owner": "default", "sha256": digest, "scopes": every}]}
    assert key not in secret_text(rendered, "access", "keys.toml")
    assert len(secret_text(rendered, "tickets", "ticket-keys")) >= MIN_KEY_LENGTH
    for name in ("api", "gateway"):
        assert rendered.settings(name)["VIDFERRY_ACCESS"] == "keys"


def test_who_has_which_secret() -> None:
    """The first key itself is no service's: helm's test pod alone is given it."""
    rendered = render()
    for name, spec, _ in rendered.pods():
        env = [each for container in spec["containers"] for each in container.get("env", ())]
        refs = {
            each["valueFrom"]["secretKeyRef"]["name"] for each in env if "secretKeyRef" in each.get("valueFrom", {})
        }
        mounted = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        wanted = {
            "vidferry-api": {"vidferry-access", "vidferry-tickets"},
            "vidferry-gateway": {"vidferry-tickets"},
            "vidferry-test": {"vidferry-first-key"},
        }
        assert (refs | mounted) & MADE == wanted.get(name, set()), name
    assert names(rendered, "worker") == set()


def test_open_access_has_none_of_it() -> None:
    rendered = render(OPEN)
    assert not secrets(rendered) & MADE
    for name in ("api", "gateway"):
        assert names(rendered, name) == {"VIDFERRY_ACCESS"}
        assert rendered.settings(name)["VIDFERRY_ACCESS"] == "none"
        assert "access" not in {volume["name"] for volume in rendered.pod(name)["volumes"]}
    env = rendered.get("Pod", "test")["spec"]["containers"][0]["env"]
    assert "KEY" not in {each["name"] for each in env}


def test_keys_and_limits_of_values_are_the_file() -> None:
    rendered = render(KEYS)
    assert "vidferry-first-key" not in secrets(rendered)
    expires = datetime(2027, 1, 31, tzinfo=UTC)
    ci, boss = keys_file(rendered)["keys"]
    assert ci == KEYS["access"]["keys"][0] | {"expires": expires}
    assert boss == KEYS["access"]["keys"][1]
    assert keys_file(rendered)["owners"] == {
        "team.a@example.org": {"limits": {"jobs_running": 4, "bytes_per_day": 10**12}}
    }
    limits = secret_text(rendered, "access", "keys.toml")
    assert "bytes_per_day = 1000000000000\n" in limits  # not 1e+12
    both = render(merged(KEYS, nested("access.firstKey", True)))
    assert [key["name"] for key in keys_file(both)["keys"]] == ["first", "ci", "boss"]


def test_the_schema_knows_the_scopes_and_limits_of_the_api() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["access"]["properties"]
    key = schema["keys"]["items"]["properties"]
    assert key["scopes"]["items"]["enum"] == [str(scope) for scope in Scope]
    assert schema["oidc"]["properties"]["defaultScopes"]["items"]["enum"] == [str(scope) for scope in Scope]
    assert schema["oidc"]["properties"]["algorithms"]["items"]["enum"] == list(ALGORITHMS)
    for limits in (key["limits"], schema["owners"]["additionalProperties"]):
        assert set(limits["properties"]) == {each.name for each in fields(OwnerLimits)}


def test_own_secrets_take_their_place() -> None:
    rendered = render(OWN_SECRETS)
    assert not secrets(rendered) & MADE
    (volume,) = [each for each in rendered.pod("api")["volumes"] if each["name"] == "access"]
    assert volume["secret"] == {"secretName": "api-keys", "items": [{"key": "keys.toml", "path": "keys.toml"}]}


def test_the_file_is_in_a_folder_that_follows_the_secret() -> None:
    """Kubernetes never changes a file that is mounted by a subPath."""
    rendered = render()
    (container,) = rendered.pod("api")["containers"]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "access"]
    assert mount == {"name": "access", "mountPath": "/etc/vidferry/access", "readOnly": True}
    assert rendered.settings("api")["VIDFERRY_ACCESS_KEYS_FILE"] == "/etc/vidferry/access/keys.toml"


@pytest.mark.parametrize("name", ["api", "gateway"])
def test_another_key_restarts_nothing(name: str) -> None:
    before, after = render(KEYS), render(merged(KEYS, {"access": {"keys": [KEYS["access"]["keys"][0]], "owners": {}}}))
    assert keys_file(before) != keys_file(after)
    assert before.get("Deployment", name) == after.get("Deployment", name)
    another = render(merged(KEYS, nested("access.ticketHours", 1)))
    assert another.get("Deployment", name) != after.get("Deployment", name)


@pytest.mark.parametrize("values", [{}, OIDC], ids=["keys", "oidc"])
def test_an_upgrade_keeps_what_was_made(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = render(values)
    with serve_secrets(first.resources, tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", str(config))
        upgraded = render_upgrade(values)
        added = render_upgrade(merged(values, {"access": {"keys": KEYS["access"]["keys"]}}))
    assert upgraded.all("Secret") == first.all("Secret")
    assert secret_text(added, "first-key", "key") == secret_text(first, "first-key", "key")
    assert secret_text(added, "tickets", "ticket-keys") == secret_text(first, "tickets", "ticket-keys")
    assert keys_file(added)["keys"][0] == keys_file(first)["keys"][0]
    assert keys_file(added)["keys"][1]["sha256"] == SHA256


def test_a_first_key_that_was_deleted_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = render()
    kept = [each for each in first.resources if each["metadata"]["name"] != "vidferry-first-key"]
    with serve_secrets(kept, tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", str(config))
        upgraded = render_upgrade({})
    key = secret_text(upgraded, "first-key", "key")
    assert key != secret_text(first, "first-key", "key")
    assert keys_file(upgraded)["keys"][0]["sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert secret_text(upgraded, "tickets", "ticket-keys") == secret_text(first, "tickets", "ticket-keys")


def test_tokens_are_accepted_beside_keys() -> None:
    rendered = render(OIDC)
    settings = rendered.settings("api")
    assert settings["VIDFERRY_OIDC_ISSUER"] == "https://id.example.org/realms/media"
    assert settings["VIDFERRY_OIDC_AUDIENCE"] == "vidferry"
    assert "vidferry-first-key" in secrets(rendered)
    assert names(rendered, "gateway") == {"VIDFERRY_ACCESS", "VIDFERRY_TICKET_HOURS", "VIDFERRY_TICKET_KEYS"}


def test_a_user_header_needs_no_key() -> None:
    rendered = render(merged(ingress("nginx"), USER_HEADER))
    assert rendered.settings("api")["VIDFERRY_ACCESS_USER_HEADER"] == "X-Auth-Request-User"
    assert rendered.settings("api")["VIDFERRY_TRUSTED_PROXIES"] == "10.0.0.7/32"
    assert keys_file(rendered) == {}
