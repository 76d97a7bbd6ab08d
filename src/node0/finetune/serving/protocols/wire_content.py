# SPDX-License-Identifier: Apache-2.0
"""Requests in Anthropic's wire form become requests in Messages form, by the corpus's own rules.

The same functions read recorded sessions, so a request that was recorded and one that is served become
the same request.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from node0.finetune.chat.messages import Message, Request, Tool
from node0.finetune.corpus.transcript.messages_form import (
    messages_form,
    offered_tools,
    plain,
    system_text,
)
from node0.finetune.corpus.transcript.trajectory import RequestShape
from node0.finetune.serving.protocols.api_errors import RequestRefused

_FIELDS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
}
"What blocks of the kinds that are read must hold; other kinds become placeholders or nothing."


def to_request(
    system: str | Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
) -> Request:
    """The request that our renderer takes.

    Raises:
        RequestRefused: a block lacks what its kind must hold.
    """
    for number, message in enumerate(messages):
        _check(message["content"], f"messages.{number}.content")
    shape = RequestShape(_system_parts(system), tuple(_definition(tool) for tool in tools))
    wire = [dict(message) for message in messages]
    return {
        "system": plain(system_text(shape)),
        "tools": cast(list[Tool], offered_tools(shape, wire)),
        "messages": cast(list[Message], messages_form(wire).messages),
    }


def without_nulls(body: Any) -> Any:
    """A body without the keys that are null: clients name what they leave open."""
    return (
        {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body
    )


def _system_parts(system: str | Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The prompt's texts; `system_text` leaves out the billing line, which is another one in each request."""
    if isinstance(system, str):
        return tuple(filter(None, [system]))
    _check(system, "system")
    texts = (str(block["text"]) for block in system if block.get("type") == "text")
    return tuple(text for text in texts if text)


def _definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    schema = tool.get("input_schema") or {"type": "object", "properties": {}}
    return {**tool, "description": tool.get("description") or "", "input_schema": schema}


def _check(content: object, place: str) -> None:
    if not isinstance(content, list):
        return
    for number, block in enumerate(content):
        where = f"{place}.{number}"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise RequestRefused(f"{where}: a block is an object with a type", param=where)
        for name, kind in _FIELDS.get(block["type"], {}).items():
            if not isinstance(block.get(name), kind):
                raise RequestRefused(
                    f"{where}.{name}: a {block['type']} block needs it, as {kind.__name__}", param=where
                )
        if block["type"] == "tool_result":
            _check(block.get("content"), f"{where}.content")
