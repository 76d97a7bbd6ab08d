# SPDX-License-Identifier: Apache-2.0
"""The bodies of `POST /v1/chat/completions` and `/v1/completions`: what is read, and what is refused."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from node0.finetune.chat.messages import Request
from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.gateway import Drawing
from node0.finetune.serving.protocols.api_errors import RequestRefused
from node0.finetune.serving.protocols.openai_choices import constraint, offered_tools
from node0.finetune.serving.protocols.wire_content import to_request, without_nulls

MAX_ANSWERS = 16
"Answers that one request may ask for."

MAX_LIKELIEST = 20
"Log probabilities for each token of an answer."

MAX_STOPS = 64
"Stop strings of one request."

_OFF: Mapping[str, tuple[Any, ...]] = {
    "logit_bias": (None, {}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "functions": (None, []),
    "best_of": (None, 1),
    "echo": (None, False),
    "suffix": (None, ""),
    "repetition_penalty": (None, 1),
    "repeat_penalty": (None, 1),
    "min_p": (None, 0),
    "min_tokens": (None, 0),
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar"), (None,)),
    "structured_outputs": (None, {}),
    "grammar": (None, ""),
    "json_schema": (None, {}),
    "response_format": (None, {"type": "text"}),
}
"What this server does not do, and the values that do not ask for it; of a chat, response_format is a field."


class StreamOptions(BaseModel):
    """Of a streamed answer."""

    model_config = ConfigDict(extra="ignore", strict=True)

    include_usage: bool = False


class _DrawnBody(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    _left_out = model_validator(mode="before")(without_nulls)

    model: str
    n: int = Field(1, ge=1, le=MAX_ANSWERS)
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    @property
    def reports_usage(self) -> bool:
        """Whether a streamed answer ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def check(self) -> None:
        """Refuse what would be answered otherwise than asked.

        Raises:
            RequestRefused: it asks for something that this server does not do.
        """
        for name, harmless in _OFF.items():
            if (self.model_extra or {}).get(name) not in harmless:
                raise RequestRefused(f"{name} is not supported here; leave it out", param=name)

    def _drawing(
        self, max_tokens: int | None, *, logprobs: int | None, constraint: Constraint | None = None
    ) -> Drawing:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Drawing(
            max_tokens=max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            seed=self.seed,
            stop=tuple(filter(None, stop)),
            constraint=constraint or Constraint(),
            logprobs=logprobs,
        )


class ChatTurn(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="ignore", strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class ChatBody(_DrawnBody):
    """A conversation to answer."""

    messages: list[ChatTurn] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    response_format: dict[str, Any] | None = None
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=MAX_LIKELIEST)

    @property
    def offers_tools(self) -> bool:
        """Whether the model is told of tools, and calls are read out of its answer."""
        return bool(self.tools) and self.tool_choice != "none"

    def drawing(self) -> Drawing:
        """How answers are drawn.

        Raises:
            RequestRefused: what they must look like is not said as it must be.
        """
        given = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        if self.top_logprobs and not self.logprobs:
            raise RequestRefused("top_logprobs needs logprobs: true", param="top_logprobs")
        limits = constraint(
            offered_tools(self.tools) if self.offers_tools else (),
            self.tool_choice,
            parallel=self.parallel_tool_calls,
            form=self.response_format,
        )
        return self._drawing(given, logprobs=self.top_logprobs if self.logprobs else None, constraint=limits)

    def request(self) -> Request:
        """In Messages form: leading system turns are the system prompt, tool turns are results.

        Raises:
            RequestRefused: a turn, a call or a tool is not as it must be.
        """
        system: list[str] = []
        turns = [(number, turn) for number, turn in enumerate(self.messages)]
        while turns and turns[0][1].role in ("system", "developer"):
            number, turn = turns.pop(0)
            system += [str(part["text"]) for part in _parts(turn, number) if part["type"] == "text"]
        messages: list[dict[str, Any]] = []
        for number, turn in turns:
            _append(messages, _wire_turn(turn, number))
        tools = [tool.definition for tool in offered_tools(self.tools)] if self.offers_tools else []
        return to_request([{"type": "text", "text": text} for text in system], tools, messages)


class CompletionBody(_DrawnBody):
    """A text, or token ids, to continue; or several of either."""

    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: int | None = Field(16, ge=1)
    return_token_ids: bool = False
    logprobs: int | None = Field(None, ge=0, le=MAX_LIKELIEST)

    def drawing(self) -> Drawing:
        """How answers are drawn."""
        return self._drawing(self.max_tokens, logprobs=self.logprobs)

    def prompts(self) -> list[str | list[int]]:
        """Each prompt by itself.

        Raises:
            RequestRefused: there is none, or more answers are asked for than one request may.
        """
        given = self.prompt
        if isinstance(given, str):
            found: list[str | list[int]] = [given]
        elif given and isinstance(given[0], int):
            found = [[part for part in given if isinstance(part, int)]]
        else:
            found = [part for part in given if isinstance(part, str | list)]
        if not found:
            raise RequestRefused("prompt is empty; give a text or token ids", param="prompt")
        if len(found) * self.n > MAX_ANSWERS:
            raise RequestRefused(f"a request may ask for {MAX_ANSWERS} answers; send several", param="prompt")
        return found


def _append(messages: list[dict[str, Any]], turn: dict[str, Any]) -> None:
    """Results of calls that were made together stand in one user turn."""
    if messages and turn["role"] == "user" and _is_results(turn) and _is_results(messages[-1]):
        messages[-1]["content"] = [*messages[-1]["content"], *turn["content"]]
    else:
        messages.append(turn)


def _is_results(turn: Mapping[str, Any]) -> bool:
    content = turn["content"]
    return isinstance(content, list) and any(block["type"] == "tool_result" for block in content)


def _wire_turn(turn: ChatTurn, number: int) -> dict[str, Any]:
    parts = _parts(turn, number)
    match turn.role:
        case "tool":
            if turn.tool_call_id is None:
                raise _refused(number, "tool_call_id", "a tool's turn names the call that it answers")
            result = {"type": "tool_result", "tool_use_id": turn.tool_call_id, "content": parts}
            return {"role": "user", "content": [result]}
        case "assistant":
            return {"role": "assistant", "content": [*parts, *_calls(turn, number)]}
        case "developer":
            return {"role": "system", "content": parts}
        case role:
            return {"role": role, "content": parts}


def _parts(turn: ChatTurn, number: int) -> list[dict[str, Any]]:
    if turn.content is None or isinstance(turn.content, str):
        return [{"type": "text", "text": turn.content}] if turn.content else []
    return [_part(part, number) for part in turn.content]


def _part(part: dict[str, Any], number: int) -> dict[str, Any]:
    match part.get("type"):
        case "text" if isinstance(part.get("text"), str):
            return {"type": "text", "text": part["text"]}
        case "refusal" if isinstance(part.get("refusal"), str):
            return {"type": "text", "text": part["refusal"]}
        case "image_url":
            return {"type": "image"}
        case "file":
            return {"type": "document"}
        case kind:
            raise _refused(number, "content", f"a part of type {str(kind)[:40]!r} cannot be read here")


def _calls(turn: ChatTurn, number: int) -> list[dict[str, Any]]:
    found = []
    for call in turn.tool_calls or []:
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _refused(number, "tool_calls", "a call is of a function with a name")
        given = {"type": "tool_use", "id": str(call.get("id")), "name": function["name"]}
        found.append({**given, "input": _arguments(function.get("arguments"), number)})
    return found


def _arguments(text: object, number: int) -> dict[str, Any]:
    try:
        given = json.loads(text or "{}") if isinstance(text, str) else text
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise _refused(number, "tool_calls", "a call's arguments are a JSON object in a string")
    return given


def _refused(number: int, name: str, message: str) -> RequestRefused:
    return RequestRefused(f"messages.{number}.{name}: {message}", param=f"messages.{number}.{name}")
