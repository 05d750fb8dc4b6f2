"""What the build promises: the same bytes each time, small, labelled, and nothing of the machine in them."""

import json
import re
import subprocess

import pytest

from system.images.conftest import CANARY, By
from vidferry_images.archive import Image, layers_above_base
from vidferry_images.build import ROOT, BuiltImage

pytestmark = [pytest.mark.images, pytest.mark.timeout(900), pytest.mark.xdist_group("images")]

LIMIT = 150 * 10**6
UNCHECKED_HASH = (1).to_bytes(4, "little")
TOOLS = {"uv", "hatchling", "setuptools", "wheel", "editables"}


def own_layers(built: By, name: str) -> list[tuple[str, int, int, bytes]]:
    """Path, type, mode and content of everything above the base."""
    image = built[name].image
    found = []
    for layer in layers_above_base(image, [each.image for each in built.values()]):
        with image.open_layer(layer) as files:
            for entry in files:
                file = files.extractfile(entry) if entry.isreg() else None
                found.append((entry.name, entry.type[0], entry.mode, file.read() if file else b""))
    return found


def test_two_builds_give_the_same_images(built: By, again: By) -> None:
    assert {name: one.image_id for name, one in built.items()} == {name: one.image_id for name, one in again.items()}
    assert {name: one.sbom.read_text() for name, one in built.items()} == {
        name: one.sbom.read_text() for name, one in again.items()
    }


@pytest.mark.parametrize("name", ["api", "gateway"])
def test_the_services_without_a_downloader_are_small(built: By, name: str) -> None:
    assert built[name].above_base < LIMIT


def test_it_says_what_it_is(one: BuiltImage) -> None:
    config = one.image.config["config"]
    name, _, version = one.name.partition(":")
    labels = config["Labels"]
    revision = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == revision
    assert "Apache-2.0" in labels["org.opencontainers.image.licenses"]


def test_a_tag_of_its_own_names_the_commit(one: BuiltImage) -> None:
    asked = ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}"]
    ids = [
        subprocess.run([*asked, f"localhost/{tag}"], check=True, capture_output=True, text=True).stdout
        for tag in (one.name, one.commit_name)
    ]
    assert ids[0] == ids[1]


def test_it_starts_without_a_shell_and_not_as_root(one: BuiltImage) -> None:
    config = one.image.config["config"]
    assert config["Entrypoint"] == ["python", "-m", one.name.partition(":")[0].replace("-", "_")]
    assert not config.get("Cmd")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])


def test_what_programs_write_by_themselves_goes_below_tmp(one: BuiltImage) -> None:
    env = dict(variable.split("=", 1) for variable in one.image.config["config"]["Env"])
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "DENO_DIR"):
        assert env[name].startswith("/tmp"), name


@pytest.mark.parametrize("name", ["api", "worker", "gateway"])
def test_nothing_above_the_base_is_anothers_to_change_or_raises_privileges(built: By, name: str) -> None:
    files = own_layers(built, name)
    assert len(files) > 100
    assert [path for path, kind, mode, _ in files if kind != ord("2") and mode & 0o6022] == []
    assert {path.split("/")[0] for path, *_ in files} == {"opt"}


@pytest.mark.parametrize("name", ["api", "worker", "gateway"])
def test_no_tool_of_the_build_is_left(built: By, name: str) -> None:
    paths = {path for path, *_ in own_layers(built, name)}
    distributions = {m[1].lower() for path in paths if (m := re.search(r"/([^/]+)-[^/]+\.dist-info/METADATA$", path))}
    assert f"vidferry_{name}" in distributions
    assert distributions & (TOOLS if name == "worker" else {*TOOLS, "pip"}) == set()
    assert [path for path in paths if re.search(r"direct_url|uv_cache|\.lock$|/\.cache/|^run/", path)] == []


@pytest.mark.parametrize("name", ["api", "worker", "gateway"])
def test_byte_code_is_there_and_not_checked_against_times(built: By, name: str) -> None:
    files = {path: content for path, _, _, content in own_layers(built, name)}
    compiled = {path: content for path, content in files.items() if path.endswith(".pyc")}
    assert any("vidferry_common" in path for path in compiled)
    assert [path for path, content in compiled.items() if content[4:8] != UNCHECKED_HASH] == []


@pytest.mark.parametrize("name", ["api", "worker", "gateway"])
def test_no_index_and_no_certificate_of_the_machine_is_in_it(again: By, name: str) -> None:
    """The canary stands for this machine's mirror: the build was told of it and it is nowhere."""
    for path, _, _, content in own_layers(again, name):
        assert not path.endswith((".whl", "pip.conf", "uv.toml", "ca-certificates.crt"))
        assert CANARY.encode() not in content, path
    assert CANARY not in json.dumps(again[name].image.config)


def test_the_machines_own_addresses_are_in_no_file(built: By) -> None:
    hosts = machine_hosts()
    for name in built:
        for path, _, _, content in own_layers(built, name):
            if not path.endswith("/METADATA"):  # a project's own page may be where the public index is
                assert [host for host in hosts if host in content] == [], path


def test_the_history_tells_no_address(one: BuiltImage) -> None:
    history = json.dumps([entry.get("created_by", "") for entry in one.image.config["history"]])
    assert [host for host in (*machine_hosts(), b"://") if host in history.encode()] == []


def test_a_layer_of_code_lies_above_a_layer_of_dependencies(built: By) -> None:
    """So a new release moves little."""
    for name, one in built.items():
        dependencies, code = layers_above_base(one.image, [each.image for each in built.values()])
        assert one.image.size(code) < 5 * 10**6 < one.image.size(dependencies), name


def test_the_archive_names_what_was_built(one: BuiltImage) -> None:
    assert Image(one.image.path).image_id == one.image_id
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", one.image_id)


def machine_hosts() -> list[bytes]:
    """Where this machine gets packages from: pip's and apt's."""
    told = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    ).stdout
    told += subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], check=False, capture_output=True, text=True
    ).stdout
    hosts = {match[1] for match in re.finditer(r"https?://(?:[^/@\s']*@)?([^/:\s']+)", told)} | {
        "files.pythonhosted.org"
    }
    assert len(hosts) > 1, "apt tells at least one"
    return sorted(host.encode() for host in hosts)
