"""The scripts spell names of their own, as Lua can't import them: here they are held to the contract."""

import re
from importlib import resources

from vidferry_common.contract import keys
from vidferry_common.store.store import SCRIPTS

FOLDER = resources.files("vidferry_common.store")
NAME = re.compile(r"'((?:vidferry|arq|websocket):[a-z:-]*|:[a-z]+)'")
USED = {
    keys.JOB, keys.HISTORY, keys.DOWNLOAD, keys.JOBS, keys.STEPS, keys.LEASES, keys.DOORBELL, keys.CHANNEL, keys.QUEUE,
    keys.ARQ_JOB, keys.STOPPED, keys.SITE, keys.CALLER, keys.PARKED, keys.LINE, keys.WORKERS,
    keys.KEEPER, keys.DELAYED, keys.ENDED, keys.ROOM,
}  # fmt: skip


def scripts() -> dict[str, str]:
    return {file.name: file.read_text() for file in FOLDER.iterdir() if file.name.endswith(".lua")}


def test_the_scripts_use_the_contracts_names_and_no_other() -> None:
    spelled = {name for text in scripts().values() for name in NAME.findall(text)}

    assert spelled == USED


def test_every_script_is_loaded() -> None:
    assert set(scripts()) == {f"{name}.lua" for name in (*SCRIPTS, "tell", "room", "lib")}


def test_names_do_not_run_into_each_other() -> None:
    names = [value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)]

    assert len(set(names)) == len(names)


def test_an_arq_job_is_named_by_download_and_attempt() -> None:
    assert keys.arq_id("0b0e", 3) == "0b0e:3"
