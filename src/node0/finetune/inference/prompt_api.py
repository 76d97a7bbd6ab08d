# SPDX-License-Identifier: Apache-2.0
"""The prompt API: prompts from stdin, answers streamed to stdout, as text or as JSON lines."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from node0.console import note
from node0.documents.json_lines import parse_object
from node0.errors import ConfigError, Node0Error, RetriableError
from node0.finetune.inference.reply import Answering, Reply
from node0.visible import data_for


class JsonPrompt(BaseModel):
    """A prompt as an object; whatever it leaves out is as the command line says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    id: Any = None
    "Comes back with the answer."

    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: list[str] | None = None

    @field_validator("prompt")
    @classmethod
    def _whole(cls, value: str) -> str:
        if not _is_text(value):
            raise ValueError("half a character stands in it")
        return value


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, and how its answer is drawn."""

    text: str
    how: Answering


Ask = Callable[[Prompt], Reply]
"Opens an answer."


class PromptAPI:
    """Answers prompts one after the other; none sees another, and one that fails ends none of the others."""

    def __init__(self, ask: Ask, how: Answering) -> None:
        self._ask = ask
        self._how = how

    def serve(self, prompts: Iterable[str], sink: TextIO, *, separator: str = "") -> int:
        """Answer every prompt on lines of its own, each piece at once; how many were not answered.

        Args:
            prompts: texts.
            sink: gets the answers.
            separator: a line after each answer, for people who read several.
        """
        failed = 0
        for prompt in prompts:
            try:
                self._stream(prompt, sink)
            except Node0Error as error:
                note(f"error: {error}")
                failed += 1
            _write(sink, f"{separator}\n" if separator else "")
        return failed

    def serve_json(self, lines: Iterable[str], sink: TextIO) -> int:
        """Answer every object with an object, each on a line; how many were not answered.

        An answer has `number` (of the prompt, from 1), `id`, `answer`, `ending`, `prompt_tokens` and
        `answer_tokens`; what could not be answered has `number`, `id`, `error` and `retry`: whether the
        same prompt may be answered later.
        """
        failed = 0
        for number, line in enumerate(prompts_by_line(lines), start=1):
            record = self._record(line)
            failed += "error" in record
            _write(sink, _json({"number": number, **record}) + "\n")
        return failed

    def _stream(self, prompt: str, sink: TextIO) -> None:
        begun = False
        try:
            with closing(self._ask(Prompt(prompt, self._how))) as reply:
                for piece in filter(None, reply):
                    _write(sink, str(piece))
                    begun = True
                begun = True
        finally:
            if begun:
                _write(sink, "\n")

    def _record(self, line: str) -> dict[str, Any]:
        asked: JsonPrompt | None = None
        try:
            asked = _read(line)
            with closing(self._ask(Prompt(asked.prompt, self._drawn(asked)))) as reply:
                text = "".join(map(str, reply))
        except Node0Error as error:
            found = _id(line) if asked is None else asked.id
            return {"id": found, "error": str(error), "retry": isinstance(error, RetriableError)}
        figures = {"prompt_tokens": reply.prompt_tokens, "answer_tokens": reply.answer_tokens}
        return {"id": asked.id, "answer": text, "ending": reply.ending, **figures}

    def _drawn(self, asked: JsonPrompt) -> Answering:
        known = asdict(self._how)
        given = {name: value for name, value in asked if name in known and value is not None}
        if "stop" in given:
            given["stop"] = tuple(filter(None, given["stop"]))
        return replace(self._how, **given)


def prompts_by_line(source: Iterable[str]) -> Iterator[str]:
    """One prompt a line; empty lines are none."""
    return (line for line in (raw.rstrip("\r\n") for raw in source) if line.strip())


def _read(line: str) -> JsonPrompt:
    found = parse_object(line)
    if isinstance(found, str):
        raise ConfigError('the line is no JSON object; write one like {"prompt": "hello"}')
    try:
        return JsonPrompt.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{place}: {first['msg']}; see: node0 infer --help") from None


def _id(line: str) -> Any:
    """What an object that cannot be a prompt calls itself, if it does."""
    found = parse_object(line)
    return found.get("id") if isinstance(found, dict) else None


def _json(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    return text if _is_text(text) else json.dumps(record)


def _is_text(text: str) -> bool:
    """Whether it can be written down: JSON can spell halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(sink: TextIO, text: str) -> None:
    if text:
        sink.write(data_for(sink, text))
        sink.flush()
