# SPDX-License-Identifier: Apache-2.0
"""Turn the items of a Codex rollout into turns, as Codex sends them.

Items are those of OpenAI's Responses. Seen with Codex 0.171.0: message {role: user | developer | assistant,
content [{type: input_text | output_text, text}]}, function_call {name, arguments: JSON, call_id} and
function_call_output {call_id, output}. By their published form: custom_tool_call {name, input: text, call_id}
and its output, local_shell_call {call_id, action}, parts of type input_image, and an output that is a list of
parts or {content}. A developer's message is a system turn. Reasoning is not kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from node0.documents.json_document import object_of
from node0.finetune.corpus.transcript.turns import CUT, NO_OBJECT_INPUT, SUMMARY, Turn
from node0.finetune.corpus.transcript.wire_messages import WireMessage

ABORTED = "<turn_aborted>"
"How the message begins by which Codex tells the model that a person stopped it."

CALLS = ("function_call", "custom_tool_call", "local_shell_call")
OUTPUTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


@dataclass
class RolloutTurns:
    """Puts items together: those of one answer, and the results behind it.

    Attributes:
        closes_answers: The rollout tells when a response has ended, so that one that did not was cut.
    """

    closes_answers: bool = False
    _said: list[WireMessage] = field(default_factory=list)
    _results: list[WireMessage] = field(default_factory=list)
    _at: str = ""
    _name: str = ""
    _why: str = ""
    _closed: bool = False

    def item(self, item: Mapping[str, Any], at: str, *, name: str = "", why: str = "") -> Iterator[Turn]:
        """The turns that are complete now that this item has come.

        Args:
            at: ISO 8601.
            name: Of the turn, where the item has no id.
            why: Why an answer that it belongs to is context only.
        """
        kind = item.get("type")
        if kind in CALLS or (kind == "message" and item.get("role") == "assistant"):
            if self._results or self._closed:
                yield from self.rest()
            self._answer(item, at, name, why)
        elif kind in OUTPUTS:
            self._closed = True
            self._results.append(_result(item))
        elif kind == "message":
            content = _parts(item.get("content"))
            aborted = str(content[0].get("text", "")).startswith(ABORTED) if content else False
            yield from self.aborted() if aborted else self.rest()
            role = "user" if item.get("role") == "user" else "system"
            if content:
                yield Turn(role, content, at, str(item.get("id") or name))

    def closed(self) -> None:
        """The response has ended."""
        self.closes_answers = True
        self._closed = bool(self._said)

    def aborted(self) -> Iterator[Turn]:
        """A person has stopped the model: an answer that was still open is cut."""
        if self._said and not self._closed:
            self._why = self._why or CUT
            self._closed = True
        yield from self.rest()

    def summed_up(self) -> Iterator[Turn]:
        """The context begins anew: an answer that nobody asked for is the summary."""
        if self._said and not self._results:
            self._why = SUMMARY
        yield from self.rest()

    def rest(self) -> Iterator[Turn]:
        """What was put together so far."""
        if self._said:
            open_end = CUT if self.closes_answers and not self._closed else ""
            yield Turn("assistant", self._said, self._at, self._name, self._why or open_end)
        if self._results:
            yield Turn("user", self._results)
        self._said, self._results, self._closed, self._why = [], [], False, ""

    def _answer(self, item: Mapping[str, Any], at: str, name: str, why: str) -> None:
        if not self._said:
            self._at, self._name = at, str(item.get("id") or item.get("call_id") or name)
        self._why = self._why or why
        if item.get("type") == "message":
            self._said += _parts(item.get("content"))
            return
        given = _input(item)
        if given is None:
            self._why = self._why or NO_OBJECT_INPUT
        call = {
            "type": "tool_use",
            "id": str(item.get("call_id")),
            "name": str(item.get("name", "local_shell")),
        }
        self._said.append({**call, "input": given or {}})


def _input(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a call was given; None where that is no JSON object."""
    if item.get("type") == "custom_tool_call":
        return {"input": str(item.get("input", ""))}
    if item.get("type") == "local_shell_call":
        action = item.get("action")
        return action if isinstance(action, dict) else None
    try:
        return object_of(str(item.get("arguments", "")))
    except ValueError:
        return None


def _result(item: Mapping[str, Any]) -> WireMessage:
    output = item.get("output")
    if isinstance(output, dict):
        output = output.get("content")
    content = output if isinstance(output, str) else _parts(output)
    return {"type": "tool_result", "tool_use_id": str(item.get("call_id")), "content": content}


def _parts(content: Any) -> list[WireMessage]:
    """Parts of a message as blocks; a picture and a file by their kind."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [_part(part) for part in parts]


def _part(part: Mapping[str, Any]) -> WireMessage:
    kind = str(part.get("type", ""))
    if "image" in kind or "file" in kind:
        return {"type": "image" if "image" in kind else "document"}
    return {"type": "text", "text": str(part.get("text") or part.get("refusal") or "")}
