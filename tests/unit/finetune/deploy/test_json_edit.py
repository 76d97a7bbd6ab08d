# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError
from node0.finetune.deploy.json_edit import check, drop, get, put

ODD = '{"a":1.0e5 , "b" : {"c":[1,2,{"d":null}],  "é":"\\u00e9"}\t,\n "z":true }\n'
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)
paths = st.lists(st.text(max_size=4), min_size=1, max_size=3)
indents = st.sampled_from([None, 0, 1, 2, 4, "\t"])


def _placed(content: dict[str, Any], path: list[str], value: Any) -> bool:
    """Put it into the parsed form; False where a part of the path is no object."""
    for key in path[:-1]:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            return False
    content[path[-1]] = value
    return True


def test_a_value_is_replaced_and_no_other_byte_changes() -> None:
    assert put(ODD, ["b", "c"], '"new"') == ODD.replace('[1,2,{"d":null}]', '"new"')


def test_a_new_member_follows_the_last_with_its_spacing() -> None:
    assert put('{\n    "a": 1\n}', ["b"], "2") == '{\n    "a": 1,\n    "b": 2\n}'


def test_objects_on_the_way_are_made() -> None:
    made = put("{}", ["agents", "ft", "command"], '"claude"')

    assert json.loads(made) == {"agents": {"ft": {"command": "claude"}}}


def test_what_was_put_in_is_dropped_without_a_trace() -> None:
    text = '{\n  "a": 1,\n  "b": {\n    "c": 2\n  }\n}\n'

    assert drop(put(text, ["b", "new"], '{"x": 1}'), ["b", "new"]) == text


def test_the_last_of_two_members_with_one_key_counts() -> None:
    assert put('{"a": 1, "a": 2}', ["a"], "3") == '{"a": 1, "a": 3}'


def test_a_missing_member_reads_as_none_and_drops_to_nothing() -> None:
    assert get(ODD, ["b", "nope"]) is None
    assert drop(ODD, ["nope"]) == ODD


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": }', "nul", '{"a": 1}x'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="JSON"):
        check(text)


def test_depth_is_bounded() -> None:
    with pytest.raises(ConfigError, match="5001 deep"):
        check('{"a": ' + "[" * 5000 + "]" * 5000 + "}")


def test_a_path_through_what_is_no_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="a is no JSON object"):
        put('{"a": 1}', ["a", "b"], "2")


@given(objects, paths, values, indents)
def test_putting_equals_putting_into_the_parsed_form(
    content: dict[str, Any], path: list[str], value: Any, indent: int | str | None
) -> None:
    text, expected = json.dumps(content, indent=indent), json.loads(json.dumps(content))
    if not _placed(expected, path, value):
        return

    changed = put(text, path, json.dumps(value, indent=2))

    assert json.loads(changed) == expected
    found = get(changed, path)
    assert found is not None
    assert json.loads(found) == value


@given(objects, indents)
def test_dropping_equals_dropping_from_the_parsed_form(
    content: dict[str, Any], indent: int | str | None
) -> None:
    text = json.dumps(content, indent=indent)

    for key in content:
        rest = {name: value for name, value in content.items() if name != key}
        assert json.loads(drop(text, [key])) == rest
