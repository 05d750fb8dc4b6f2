"""The page's steps are those of the contract."""

import re
from importlib import resources

import pytest

from vidferry_common.contract import stages


@pytest.mark.parametrize("name", ["NEW_VIDEO", "STORED_VIDEO"])
def test_the_page_shows_steps_of_the_contract(name: str) -> None:
    script = (resources.files("vidferry_api.page") / "card.js").read_text()
    (listed,) = re.findall(rf"const {name} = (\[.*\]);", script)
    begins = [int(number) for number in re.findall(r"\d+", listed)]
    promised = [step.progress for step in getattr(stages, name)]
    assert set(begins) <= set(promised)
    assert (begins[0], begins[-1]) == (promised[0], promised[-1])
