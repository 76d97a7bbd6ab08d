# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.known.broken_values import BrokenValues

VALUE = "gull-harbor-quay7"
PHRASE = "seven otters swim at dawn"


def found(values: list[str], text: str) -> list[str]:
    """What stands at the places, as it is written."""
    search = BrokenValues(values)
    parts = [(word, part) for word in set(text.split()) if (part := search.part_in(word))]
    return [text[place.start : place.end] for place in search.places(text, parts)]


@pytest.mark.parametrize("value", [VALUE, PHRASE, "k7#mQ2xW"])
@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        ("it said ", "\n", " and so on\n"),
        ("it said ", "\r\n    ", " and so on"),
        ("\u2502 it said ", " \u2502\n\u2502 ", " \u2502\n"),
        ("+ it said ", "\n+ ", " more"),
        ("# it said ", "\n# ", " more"),
        ("export A=", "\\\n", "\n"),
        ('x = "', '" +\n    "', '"\n'),
        ('{"a": "it said ', "\\n", ' more"}'),
    ],
)
def test_a_value_is_found_over_one_break_wherever_it_is(
    value: str, before: str, between: str, after: str
) -> None:
    for at in range(1, len(value)):
        text = before + value[:at] + between + value[at:] + after

        assert any(one.startswith(value[: min(at, 3)].strip()) for one in found([value], text)), text


def test_a_value_is_found_over_many_breaks() -> None:
    long = "gull-harbor-quay-seven-otters-and-a-heron-17"
    text = "so:\n" + "\n".join(long[at : at + 15] for at in range(0, len(long), 15)) + "\nend"

    assert found([long], text)[0].replace("\n", "") == long


def test_parts_of_a_value_on_two_lines_are_not_the_value() -> None:
    assert found([VALUE], "the gull-harb\nsomething or-quay7 else\n") == []
    assert found([VALUE], "gull-harbor-\nquay8") == []


@given(st.lists(st.sampled_from([VALUE[:5], VALUE[5:], "\n", " ", "| ", "a"]), max_size=30))
def test_a_place_holds_the_value_and_a_break(pieces: list[str]) -> None:
    for one in found([VALUE], "".join(pieces)):
        assert "\n" in one
        assert "".join(sign for sign in one if sign not in "\n |") == VALUE
