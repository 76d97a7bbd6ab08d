# SPDX-License-Identifier: Apache-2.0
import io
from typing import Any

import pytest

from node0.finetune.inference.generator import Generator
from node0.finetune.inference.prompt_api import Answering, PromptAPI, prompts_by_line


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


def _encode(text: str) -> list[int]:
    return [ord(letter) - ord("a") for letter in text]


def _decode(ids: list[int]) -> str:
    return "".join(chr(ord("a") + index) for index in ids)


def _api(pipeline: Any, **how: Any) -> PromptAPI:
    generator = Generator(pipeline, context=10, decode=_decode)
    return PromptAPI(generator, encode=_encode, decode=_decode, how=Answering(**how))


def test_each_token_is_written_and_flushed_at_once(pipeline: Any) -> None:
    sink = FlushCounter()

    _api(pipeline, max_tokens=3).serve(["a", "k"], sink)

    assert sink.seen == ["b", "bc", "bcd", "bcd\n", "bcd\nl", "bcd\nlm", "bcd\nlmn", "bcd\nlmn\n"]


def test_a_stop_string_is_not_written(pipeline: Any) -> None:
    sink = io.StringIO()

    _api(pipeline, stop=("ef",)).serve(["a"], sink)

    assert sink.getvalue() == "bcd\n"


def test_a_prompt_that_does_not_fit_is_one_line_and_the_next_is_answered(
    pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = io.StringIO()

    refused = _api(pipeline, max_tokens=1).serve(["a" * 10, "c"], sink)

    assert refused == 1
    assert sink.getvalue() == "d\n"
    expected = "error: the prompt has 10 tokens and the model's context is 10; shorten it\n"
    assert capsys.readouterr().err == expected


def test_a_reader_that_left_frees_the_sequence(pipeline: Any) -> None:
    with pytest.raises(BrokenPipeError):
        _api(pipeline).serve(["a"], ClosedAfter(2))

    assert pipeline.sessions[0].closed


def test_settings_reach_the_pipeline(pipeline: Any) -> None:
    _api(pipeline, temperature=0.0, top_p=0.5, top_k=3, seed=4, max_tokens=2).serve(["a"], io.StringIO())

    params = pipeline.sessions[0].params
    assert (params.temperature, params.top_p, params.top_k, params.seed) == (0.0, 0.5, 3, 4)
    assert pipeline.sessions[0].max_length == 3


def test_prompts_are_lines_and_empty_lines_are_none() -> None:
    assert list(prompts_by_line(["one\n", "\n", "  \n", "  two\r\n", "three"])) == ["one", "  two", "three"]
