# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError
from node0.finetune.deploy.settings_edits import made
from node0.finetune.gastown.hook_entry import PATH, holds, hook_entry, plan_hook, without_hook

ENTRY = hook_entry(Path("/a town/collect.sh"))
OTHER = {"matcher": "x", "hooks": [{"type": "command", "command": 'echo ], [ "}'}]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def put(text: str) -> tuple[str, Any]:
    edit = plan_hook(text, ENTRY, file=Path("/x"), made_file=False)
    return made(text, [edit]), edit


@given(
    others=st.dictionaries(st.text(max_size=4).filter(lambda key: key != "hooks"), VALUES, max_size=3),
    events=st.none() | st.dictionaries(st.sampled_from(["Stop", "SessionStart"]), VALUES, max_size=2),
    array=st.none() | st.lists(VALUES, max_size=3),
    indent=st.none() | st.sampled_from([1, 4, "\t"]),
)
def test_what_is_put_in_is_taken_out_to_the_byte(others: Any, events: Any, array: Any, indent: Any) -> None:
    hooks = {} if array is None else {"SessionEnd": array}
    settings = (
        {**others} if events is None and array is None else {**others, "hooks": {**(events or {}), **hooks}}
    )
    text = json.dumps(settings, indent=indent, ensure_ascii=False) + "\n"

    with_it, edit = put(text)

    expected = [*(array or []), ENTRY]
    assert json.loads(with_it)["hooks"]["SessionEnd"] == expected
    assert {**json.loads(with_it), "hooks": None} == {**settings, "hooks": None}
    assert without_hook(with_it, ENTRY, edit) == text


@pytest.mark.parametrize("array", [[], [OTHER], [OTHER, OTHER]])
@pytest.mark.parametrize("indent", [None, 2])
def test_hooks_that_came_since_stay(array: list[Any], indent: int | None) -> None:
    with_it, edit = put(json.dumps({"hooks": {"SessionEnd": array}}, indent=indent))
    settings = json.loads(with_it)
    settings["hooks"]["SessionEnd"].append({"matcher": "later"})

    left = json.loads(without_hook(json.dumps(settings, indent=indent), ENTRY, edit))

    assert left == {"hooks": {"SessionEnd": [*array, {"matcher": "later"}]}}


@pytest.mark.parametrize("value", [{"a": 1}, "x", None, 0])
def test_what_is_no_array_is_not_written_over(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"hooks\.SessionEnd is no JSON array; repair it"):
        put(json.dumps({"hooks": {"SessionEnd": value}}))


def test_a_hook_that_is_gone_already_changes_nothing() -> None:
    _, edit = put("{}")

    assert without_hook('{"hooks": {"SessionEnd": [1]}}', ENTRY, edit) == '{"hooks": {"SessionEnd": [1]}}'


def test_it_is_for_sessions_of_gt_alone() -> None:
    command = ENTRY["hooks"][0]["command"]  # type: ignore[index]  # a dictionary of JSON

    assert command.startswith('[ -z "$GT_ROLE" ] ||') and "'/a town/collect.sh'" in command
    assert holds(json.dumps({"hooks": {"SessionEnd": [ENTRY]}}), ENTRY)
    assert not holds("{}", ENTRY) and PATH == ("hooks", "SessionEnd")
