# SPDX-License-Identifier: Apache-2.0
import pytest
from eval_items import DictPlace, bash, called, said

from node0.finetune.eval.suite.proposals import LONGEST_RESULT, carry_out


def test_calls_are_carried_out_in_order_each_with_its_outcome() -> None:
    place = DictPlace({"a": "one"})
    answer = [*bash("bd ready"), *called("Write", file_path="b", content="x"), *called("Read", file_path="a")]

    outcomes = carry_out(answer, place)

    assert [outcome.text for outcome in outcomes] == ["bd ready", "wrote b", "one"]
    assert [outcome.ran is not None for outcome in outcomes] == [True, False, False]
    assert place.files["b"] == "x"


def test_a_failed_command_says_its_exit_code() -> None:
    [outcome] = carry_out(bash("false; x"), DictPlace())

    assert outcome.is_error
    assert outcome.text.startswith("exit code 1\n")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (called("Edit", file_path="a", old_string="o", new_string="x"), "2 times"),
        (called("Edit", file_path="a", old_string="z", new_string="x"), "0 times"),
        (called("Edit", file_path="gone", old_string="z", new_string="x"), "no such file"),
        (called("Read", file_path="gone"), "no such file"),
        (called("Write", file_path="/etc/passwd", content="x"), "cannot be written"),
        (called("Fly"), "no tool Fly"),
    ],
)
def test_what_cannot_be_done_is_an_error_for_the_model(call: list, told: str) -> None:  # type: ignore[type-arg]  # blocks
    place = DictPlace({"a": "oo"})

    [outcome] = carry_out(call, place)

    assert outcome.is_error
    assert told in outcome.text
    assert place.files == {"a": "oo"}


def test_an_edit_replaces_the_one_place() -> None:
    place = DictPlace({"a": "x = 1\n"})

    carry_out(called("Edit", file_path="a", old_string="1", new_string="2"), place)

    assert place.files["a"] == "x = 2\n"


def test_fences_are_carried_out_files_first() -> None:
    place = DictPlace()

    carry_out(said("```sh\npytest\n```\n```python a.py\nx\n```\n```diff\n--- a\n```"), place)

    assert place.files["a.py"] == "x\n"
    assert place.ran == ["git apply --recount .proposed.patch && rm .proposed.patch", "pytest"]


def test_words_alone_propose_nothing() -> None:
    assert carry_out(said("I would look first."), DictPlace()) == []


def test_a_long_output_is_shown_with_its_ends() -> None:
    place = DictPlace(prints={"x": "a" * 5000 + "b" * 5000})

    [outcome] = carry_out(bash("x"), place)

    assert len(outcome.text) < LONGEST_RESULT + 100
    assert "4000 characters left out" in outcome.text
