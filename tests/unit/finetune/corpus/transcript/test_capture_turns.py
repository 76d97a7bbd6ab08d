# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.transcript.capture_turns import capture_turns

CAPTURE = """\
❯ Take the bead gt-abc12, write to jane@harbor-yard.net
⏺ I look at it.
  ⎿ two files
⏺ I change them.

❯ Is it done?
⏺ Yes, it is done.
❯
"""


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        ("⏺ I begin to wri", 4),
        ("❯ One more thing", 4),
        ("❯ More\n⏺ Here it is.", 6),
        ("❯ More\n⏺ Cut of", 4),
        ("", 4),
    ],
)
def test_a_turn_that_was_cut_off_is_left_out(tail: str, kept: int) -> None:
    turns = capture_turns(CAPTURE + tail)

    assert len(turns) == kept
    assert turns[-1]["role"] == "assistant"


def test_a_capture_with_written_roles_is_read() -> None:
    turns = capture_turns("System: be brief\nUser: hello\nAssistant: hi there.\nUser: bye")

    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("system", "be brief"),
        ("user", "hello"),
        ("assistant", "hi there."),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "no markers at all", "❯ only a question", "❯\n❯"])
def test_where_nobody_answers_there_are_no_turns(text: str) -> None:
    assert capture_turns(text) == []


def test_a_prompt_that_waits_says_that_the_answer_before_it_is_complete() -> None:
    cut = "❯ Count\n⏺ one, two"

    assert capture_turns(cut) == []
    assert capture_turns(f"{cut}\n❯") == [
        {"role": "user", "content": "Count"},
        {"role": "assistant", "content": "one, two"},
    ]
