# SPDX-License-Identifier: Apache-2.0
import io
import json
from typing import Any

import pytest
from asked_parts import TOO_LONG, ScriptedModel

from node0.errors import EngineBusy
from node0.finetune.inference.prompt_api import PromptAPI, prompts_by_line
from node0.finetune.inference.reply import Answering


class FlushCounter(io.StringIO):
    """Remembers what had been written at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def flush(self) -> None:
        self.seen.append(self.getvalue())


class ClosedAfter(io.StringIO):
    """A pipe whose reader leaves after some writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError
        return super().write(text)


def _api(model: ScriptedModel, **how: Any) -> PromptAPI:
    return PromptAPI(lambda prompt: model.continue_text(prompt.text, prompt.how), Answering(**how))


def _answered(model: ScriptedModel, *lines: str, **how: Any) -> tuple[int, list[dict[str, Any]]]:
    sink = io.StringIO()
    failed = _api(model, **how).serve_json(lines, sink)
    return failed, [json.loads(line) for line in sink.getvalue().splitlines()]


def test_each_piece_is_written_and_flushed_at_once() -> None:
    sink = FlushCounter()

    _api(ScriptedModel([["b", "c"], ["l"]])).serve(["a", "k"], sink)

    assert sink.seen == ["b", "bc", "bc\n", "bc\nl", "bc\nl\n"]


def test_a_person_sees_where_an_answer_ends() -> None:
    sink = io.StringIO()

    _api(ScriptedModel([["b\n\nc"], ["l"]])).serve(["a", "k"], sink, separator="---")

    assert sink.getvalue() == "b\n\nc\n---\nl\n---\n"


def test_a_prompt_that_fails_is_one_line_and_the_others_are_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sink = io.StringIO()
    busy = EngineBusy("32 requests wait; ask again later")

    failed = _api(ScriptedModel([[TOO_LONG], ["d"], ["e", busy], ["f"]])).serve(
        ["x" * 9, "c", "y", "z"], sink
    )

    assert failed == 2
    assert sink.getvalue() == "d\ne\nf\n"
    assert capsys.readouterr().err == f"error: {TOO_LONG}\nerror: {busy}\n"


def test_a_reader_that_left_ends_the_answer() -> None:
    model = ScriptedModel([["b", "c", "d"]])

    with pytest.raises(BrokenPipeError):
        _api(model).serve(["a"], ClosedAfter(2))

    assert model.stopped == 1


def test_an_object_a_prompt_becomes_an_object_an_answer() -> None:
    lines = ['{"id": {"n": 1}, "prompt": "a"}\n', "\n", '{"prompt": "k"}\n']

    failed, found = _answered(ScriptedModel([["b", "\u00e9"], ["l"]]), *lines)

    figures = {"ending": "end", "prompt_tokens": 3}
    assert failed == 0
    assert found == [
        {"number": 1, "id": {"n": 1}, "answer": "b\u00e9", **figures, "answer_tokens": 2},
        {"number": 2, "id": None, "answer": "l", **figures, "answer_tokens": 1},
    ]


def test_an_object_may_draw_its_answer_otherwise_than_the_command_line_says() -> None:
    model = ScriptedModel([["b"], ["l"]])

    _answered(model, '{"prompt": "a", "temperature": 0, "stop": ["x", ""]}', '{"prompt": "k"}', max_tokens=7)

    assert model.hows == [Answering(max_tokens=7, temperature=0, stop=("x",)), Answering(max_tokens=7)]


def test_errors_stand_at_the_place_of_their_answers() -> None:
    lines = [
        "hello",
        "[1]",
        '{"id": 7, "promt": "a"}',
        '{"id": 8, "prompt": 3}',
        '{"id": 9, "prompt": "\\ud800"}',
        '{"id": 10, "prompt": "x", "temperature": "hot"}',
        '{"id": 11, "prompt": "long"}',
        '{"id": 12, "prompt": "busy"}',
        '{"id": 13, "prompt": "k"}',
        '{"id": 14, "prompt": "x", "max_tokens": 0}',
    ]

    failed, found = _answered(ScriptedModel([[TOO_LONG], [EngineBusy("ask again later")], ["l"]]), *lines)

    assert failed == 9
    assert [(record["number"], record["id"]) for record in found] == [
        (1, None), (2, None), (3, 7), (4, 8), (5, 9), (6, 10), (7, 11), (8, 12), (9, 13), (10, 14)
    ]  # fmt: skip
    assert [record.get("retry") for record in found] == [*[False] * 7, True, None, False]
    assert "no JSON object" in found[0]["error"] and "no JSON object" in found[1]["error"]
    assert "half a character" in found[4]["error"]
    assert found[3]["error"].startswith("prompt: ")
    assert found[6]["error"] == str(TOO_LONG)
    assert found[8]["answer"] == "l"
    assert found[9]["error"].startswith("max_tokens: ")


def test_an_id_that_cannot_be_written_down_is_spelled() -> None:
    assert _answered(ScriptedModel([["b"]]), '{"id": "\\ud800", "prompt": "a"}')[1][0]["id"] == "\ud800"


def test_prompts_are_lines_and_empty_lines_are_none() -> None:
    assert list(prompts_by_line(["one\n", "\n", "  \n", "  two\r\n", "three"])) == ["one", "  two", "three"]
