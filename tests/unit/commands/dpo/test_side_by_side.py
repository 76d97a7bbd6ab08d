# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_chat import calls, result, says, user

from node0.commands.dpo.side_by_side import CELL, beside, show_beside, turn_text

START = [user(f"Turn {number}.") for number in range(6)]


def test_turns_stand_in_pairs_from_where_they_part() -> None:
    alike, rows = beside([*START, says("one")], [*START, says("two"), user("more")])

    assert alike == 6
    assert rows == [("assistant: one", "assistant: two"), ("", "user: more")]


def test_the_last_turns_before_the_parting_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    alike = show_beside([*START, says("one")], [*START, says("two")], titles=("left", "right"), about="gt-1")
    out = capsys.readouterr().out

    assert alike == 6
    assert [f"Turn {number}." in out for number in range(6)] == [False, False, False, True, True, True]
    assert out.index("Turn 5.") < out.index("left") < out.index("one")


def test_of_nothing_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_beside([], [], titles=("left", "right"), about="gt-1") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        (None, ""),
        (user("Go."), "user: Go."),
        (calls("gt oil", text="First."), "assistant: First.\n→ Bash gt oil"),
        (result("shut"), "user: ← shut"),
        (
            {"role": "assistant", "content": [
                {"type": "tool_use", "name": "Edit", "id": "1", "input": {"a": "é"}}]},
            'assistant: → Edit {"a": "é"}',
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [
                {"type": "text", "text": "seen"}, {"type": "image"}]}]},
            "user: ← seen [image]",
        ),
        (user("x" * (CELL + 7)), f"user: {'x' * CELL} [7 characters more]"),
    ],
)  # fmt: skip
def test_a_turn_is_told_for_reading(turn: dict[str, object] | None, text: str) -> None:
    assert turn_text(turn) == text
