# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import pytest

from node0.commands.dpo.asked_key import Said, ask

WORDS = ("accept", "swap", "drop")


def typed(*lines: str) -> Callable[[str], str]:
    waiting = list(lines)

    def read(prompt: str) -> str:
        assert prompt == "[a]ccept, [s]wap, [d]rop, [l]ater, [q]uit> "
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    return read


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a", Said("accept")),
        ("  Swap", Said("swap")),
        ("d both are wrong ", Said("drop", "both are wrong")),
        ("later", Said("later")),
        ("q", Said("quit")),
    ],
)
def test_a_word_is_known_by_its_beginning_and_the_rest_is_the_reason(line: str, said: Said) -> None:
    assert ask(typed(line), WORDS) == said


def test_what_is_no_word_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(typed("", "accpet", "x", "drop"), WORDS) == Said("drop")
    assert capsys.readouterr().err.count("is none of accept, swap, drop, later, quit") == 3


def test_the_end_of_input_quits() -> None:
    assert ask(typed(), WORDS) == Said("quit")
