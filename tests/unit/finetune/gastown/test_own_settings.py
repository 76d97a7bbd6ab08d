# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError
from node0.finetune.gastown.own_settings import (
    OwnSettings,
    has_own_settings,
    joint,
    read_own_settings,
    with_block,
    without_block,
)
from node0.town import Town

GIVEN = OwnSettings(base_model="/a base", roles=["deacon"], claude_hook=True, timer=False)
LINES = st.lists(
    st.sampled_from(["# note", "gate:", "  threshold: 0.9", "", "x: [1]", "towns: 1"]), max_size=5
)


@given(lines=LINES, end=st.sampled_from(["", "\n", "\n\n"]))
def test_the_block_goes_as_it_came(lines: list[str], end: str) -> None:
    text = "\n".join(lines) + end

    with_it = with_block(text, GIVEN)

    assert (without_block(with_it, join=joint(text)) or "") == text
    assert with_it.startswith(text)


def test_the_block_says_what_was_given_and_the_others_stay() -> None:
    text = "gate:\n  threshold: 0.9\n# mine\n"

    tree = yaml.safe_load(with_block(text, GIVEN))

    assert OwnSettings(**tree["town"]) == GIVEN and tree["gate"] == {"threshold": 0.9}


def test_a_second_block_takes_the_place_of_the_first() -> None:
    text = with_block("# a\n", OwnSettings()) + "gate: {}\n# b\n"

    again = with_block(text, GIVEN)

    assert again == with_block("# a\n", GIVEN) + "gate: {}\n# b\n"
    assert without_block(again, join="") == "# a\ngate: {}\n# b\n"


@pytest.mark.parametrize("between", ["\n", "# mine\n", "  # mine\n", " \t\n\n# mine\n\n"])
def test_a_block_that_a_person_has_spaced_goes_whole(between: str) -> None:
    before, behind = "gate:\n  threshold: 0.9\n", "\n# of staleness\nstaleness: {limit: 0.2}\n"
    text = f"{before}town:\n{between}  base_model: x\n{between}  roles:\n{between}  - deacon\n{behind}"

    assert without_block(text, join="") == before + behind
    assert with_block(text, GIVEN) == with_block(before, GIVEN) + behind


def test_a_file_of_nothing_else_is_none_when_the_block_goes() -> None:
    assert without_block(with_block(None, GIVEN), join="") is None


def test_a_town_tells_what_was_answered(town_root: Path) -> None:
    town = Town(town_root)
    assert (has_own_settings(town), read_own_settings(town)) == (False, OwnSettings())

    town.models.mkdir()
    town.model_settings_file.write_text(with_block("gate: {}\n", GIVEN))

    assert (has_own_settings(town), read_own_settings(town)) == (True, GIVEN)


def test_a_misspelt_setting_is_refused(town_root: Path) -> None:
    town = Town(town_root)
    town.models.mkdir()
    town.model_settings_file.write_text("town:\n  base_modle: x\n")

    with pytest.raises(ConfigError, match="base_modle"):
        read_own_settings(town)


@pytest.mark.parametrize(
    "written",
    [
        "town: {base_model: /b,\n  timer: false\n}\n",
        "town:\n  {\n    timer: false }\n",
        "town:\r\n  base_model: /b\r\n\r\n  timer: false\r\n",
    ],
)
def test_a_block_is_exchanged_whole_however_it_is_written(written: str) -> None:
    rest = "gate: {}\r\n"

    assert with_block(written + rest, GIVEN) == with_block(None, GIVEN) + rest
    assert without_block(written + rest, join="") == rest
