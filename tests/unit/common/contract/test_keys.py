"""Each name in Redis stands once, in contract/keys.py: no script spells one."""

import re
from importlib import resources

from vidferry_common.contract import keys
from vidferry_common.store.scripts import (
    FURTHER_LIBRARIES,
    LIBRARIES,
    PAUSES,
    REST,
    REST_AT_ONCE,
    SCRIPTS,
    script_text,
)

FOLDER = resources.files("vidferry_common.store.scripts")
SPELLED = re.compile(r"""["'](?:(?:vidferry|arq|websocket):[^"']*|:[a-z]+)["']""")


def scripts() -> dict[str, str]:
    return {file.name: file.read_text() for file in FOLDER.iterdir() if file.name.endswith(".lua")}


def test_no_script_spells_a_name() -> None:
    spelled = {name: found for name, text in scripts().items() if (found := SPELLED.findall(text))}

    assert spelled == {}


def test_a_loaded_script_has_the_names_themselves() -> None:
    for name in SCRIPTS:
        text = "\n".join(line.partition("--")[0] for line in script_text(name).splitlines())

        assert not re.search(r"\b(keys|batches)\.[A-Z]", text), name
        assert f"'{keys.JOB}'" in text, name


def test_every_script_is_loaded() -> None:
    further = {part for parts in FURTHER_LIBRARIES.values() for part in parts}
    assert set(scripts()) == {f"{name}.lua" for name in (*SCRIPTS, *LIBRARIES, *REST, PAUSES, *further)}
    assert FURTHER_LIBRARIES.keys() | REST_AT_ONCE <= set(SCRIPTS)


def test_names_do_not_run_into_each_other() -> None:
    names = [value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)]

    assert len(set(names)) == len(names)


def test_an_arq_job_is_named_by_download_and_attempt() -> None:
    assert keys.arq_id("0b0e", 3) == "0b0e:3"
