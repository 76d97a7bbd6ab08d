# SPDX-License-Identifier: Apache-2.0
import io
import sys
from collections.abc import Iterable

import pytest

from node0.commands.chat.typed_message import ReadLine, line_reader, typed_message


def _typing(lines: Iterable[str], prompts: list[str]) -> ReadLine:
    left = iter(lines)

    def read(prompt: str) -> str:
        prompts.append(prompt)
        for line in left:
            return line
        raise EOFError

    return read


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["hello"], "hello"),
        (['"""one', "", "  two", 'three"""'], "one\n\n  two\nthree"),
        (['"""', "one", '"""'], "one"),
        (['  """one line"""'], "one line"),
        (['say """x"""'], 'say """x"""'),
    ],
)
def test_a_message_is_a_line_or_what_stands_between_triple_quotes(lines: list[str], message: str) -> None:
    prompts: list[str] = []

    assert typed_message(_typing(lines, prompts), "> ") == message
    assert prompts == ["> ", *["... "] * (len(lines) - 1)]


def test_the_end_of_input_in_a_message_is_the_end() -> None:
    with pytest.raises(EOFError):
        typed_message(_typing(['"""one'], []), "> ")


def test_a_pipe_is_read_by_lines_and_sees_no_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\r\ntwo"))
    read = line_reader()

    assert [read("> "), read("> ")] == ["one", "two"]
    with pytest.raises(EOFError):
        read("> ")
    assert capsys.readouterr().out == ""


def test_a_byte_that_is_no_utf8_is_replaced_and_the_next_line_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\nnext\n"), encoding="utf-8"))
    read = line_reader()

    assert [read("> "), read("> ")] == ["\N{REPLACEMENT CHARACTER}", "next"]


def test_a_closed_input_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(EOFError):
        line_reader()("> ")
