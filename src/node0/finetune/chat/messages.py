# SPDX-License-Identifier: Apache-2.0
"""Messages form: one request to a model as a system text, tools and messages.

The shapes are those of Anthropic's Messages API, which is also what Claude Code logs:
https://docs.anthropic.com/en/api/messages. `system` turns may stand among the messages.
"""

from typing import Any, Literal, NotRequired, TypedDict


class TextBlock(TypedDict):
    """Words."""

    type: Literal["text"]
    text: str


class ToolUseBlock(TypedDict):
    """A call that the assistant makes."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlock(TypedDict):
    """What a tool answered; stands in a user turn."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[TextBlock]
    is_error: NotRequired[bool]


Block = TextBlock | ToolUseBlock | ToolResultBlock


class Message(TypedDict):
    """One turn. A plain string is one text block."""

    role: Literal["system", "user", "assistant"]
    content: str | list[Block]


class Tool(TypedDict):
    """A tool that the model may call; `input_schema` is a JSON schema."""

    name: str
    description: str
    input_schema: dict[str, Any]


class Request(TypedDict):
    """One call to a model."""

    system: str
    tools: list[Tool]
    messages: list[Message]


def blocks(message: Message) -> list[Block]:
    """The turn's content as blocks."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def text_of(message: Message) -> str:
    """The turn's words alone, joined by blank lines."""
    return "\n\n".join(block["text"] for block in blocks(message) if block["type"] == "text")


def tool_uses(message: Message) -> list[ToolUseBlock]:
    """The calls that this turn makes, in order."""
    return [block for block in blocks(message) if block["type"] == "tool_use"]


def says_something(message: Message) -> bool:
    """Whether the turn holds words or a call; one of thoughts alone does not."""
    return bool(text_of(message).strip() or tool_uses(message))
