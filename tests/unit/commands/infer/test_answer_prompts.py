# SPDX-License-Identifier: Apache-2.0
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from asked_parts import TOO_LONG, ScriptedModel

from node0.commands.infer.answer_prompts import SEPARATOR, PromptForm, answer_prompts
from node0.errors import NotFound
from node0.finetune.inference.reply import Answering

Printed = pytest.CaptureFixture[str]
HOW = Answering(max_tokens=4)
TOOL = {"name": "Bash", "description": "Run.", "input_schema": {"type": "object"}}


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def put(text: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    return put


def test_a_prompt_is_a_turn_of_a_user_who_offers_the_roles_tools(
    typed: Callable[[bytes], None], capsys: Printed
) -> None:
    typed(b"hi\n\xff\n")
    model = ScriptedModel([["a"], ["b"]], tools=[TOOL])  # type: ignore[list-item]  # a tool as JSON has it

    assert answer_prompts(lambda: model, HOW, PromptForm()) == 0

    asked = [{"system": "", "tools": [TOOL], "messages": [{"role": "user", "content": text}]} for text in
             ("hi", "\N{REPLACEMENT CHARACTER}")]  # fmt: skip
    assert model.requests == asked
    assert capsys.readouterr().out == "a\nb\n"
    assert model.closed


def test_a_raw_prompt_is_continued_as_it_is(typed: Callable[[bytes], None]) -> None:
    typed(b"hi\n")
    model = ScriptedModel([["a"]])

    answer_prompts(lambda: model, HOW, PromptForm(raw=True))

    assert (model.texts, model.requests) == (["hi"], [])


def test_a_file_is_one_prompt_and_an_empty_one_is_none(
    typed: Callable[[bytes], None], tmp_path: Path, capsys: Printed
) -> None:
    typed(b"")
    (tmp_path / "prompt").write_text("a\nb\n")
    (tmp_path / "empty").write_text(" \n")
    model = ScriptedModel([["c"], ["d"]])

    assert answer_prompts(lambda: model, HOW, PromptForm(file=str(tmp_path / "prompt"), raw=True)) == 0
    assert answer_prompts(lambda: model, HOW, PromptForm(file=str(tmp_path / "empty"), raw=True)) == 0
    typed(b"e\nf\n")
    assert answer_prompts(lambda: model, HOW, PromptForm(file="-", raw=True)) == 0

    assert model.texts == ["a\nb\n", "e\nf\n"]
    assert capsys.readouterr().out == "c\nd\n"


def test_a_file_of_objects_holds_one_a_line(
    typed: Callable[[bytes], None], tmp_path: Path, capsys: Printed
) -> None:
    typed(b"")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "a"}\n\n{"prompt": "long"}\n{"prompt": "b"}')
    form = PromptForm(file=str(tmp_path / "prompts.jsonl"), as_json=True)

    assert answer_prompts(lambda: ScriptedModel([["c"], [TOO_LONG], ["d"]]), HOW, form) == 1

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record.get("answer", record.get("error")) for record in found] == ["c", str(TOO_LONG), "d"]


def test_only_a_terminal_gets_separators_and_a_word_on_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"a\nb\n")))
    monkeypatch.setattr(sys, "stdout", Terminal(screen))

    answer_prompts(lambda: ScriptedModel([["c"], ["d"]]), HOW, PromptForm())

    assert screen.getvalue().decode() == f"c\n{SEPARATOR}\nd\n{SEPARATOR}\n"
    assert capsys.readouterr().err == "scripted listens: type a prompt and press Enter; Ctrl-D ends\n"


def test_a_file_that_cannot_be_read_is_refused_before_a_model_is_looked_for(
    typed: Callable[[bytes], None], tmp_path: Path
) -> None:
    typed(b"")
    (tmp_path / "latin").write_bytes(b"\xe9")

    def nobody() -> ScriptedModel:
        raise AssertionError("a model was looked for")

    with pytest.raises(NotFound, match="not UTF-8 text; check the path"):
        answer_prompts(nobody, HOW, PromptForm(file=str(tmp_path / "latin")))
    with pytest.raises(NotFound, match="cannot read the prompt from"):
        answer_prompts(nobody, HOW, PromptForm(file=str(tmp_path / "none")))
