# SPDX-License-Identifier: Apache-2.0
"""The body of `POST /v1/messages`: what is read of it, and what is refused."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from node0.finetune.chat.messages import Request
from node0.finetune.serving.gateway import Drawing
from node0.finetune.serving.protocols.api_errors import RequestRefused
from node0.finetune.serving.protocols.wire_content import to_request, without_nulls


class _Body(BaseModel):
    # Harnesses send more than any server reads.
    model_config = ConfigDict(extra="ignore", strict=True)

    _left_out = model_validator(mode="before")(without_nulls)


class WireTurn(_Body):
    """One message. `system` turns may stand among the others."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class WireTool(_Body):
    """A tool's definition."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: str = Field(min_length=1)
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class ToolChoice(_Body):
    """`auto` and `none` are kept; `any` and `tool` are not enforced: see docs/serving.md."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class CountTokensBody(_Body):
    """A request without what concerns its answer."""

    model: str
    messages: list[WireTurn] = Field(min_length=1)
    system: str | list[dict[str, Any]] = ""
    tools: list[WireTool] = Field(default_factory=list)
    tool_choice: ToolChoice | None = None

    @property
    def offers_tools(self) -> bool:
        """Whether the model is told of tools, and calls are read out of its answer."""
        return bool(self.tools) and (self.tool_choice is None or self.tool_choice.type != "none")

    def request(self) -> Request:
        """In Messages form.

        Raises:
            RequestRefused: a block is not as it must be, or the tool that is chosen is not offered.
        """
        chosen = self.tool_choice.name if self.tool_choice and self.tool_choice.type == "tool" else None
        if chosen is not None and chosen not in {tool.name for tool in self.tools}:
            raise RequestRefused(f"tool_choice: no tool {chosen[:80]!r} is offered", param="tool_choice")
        tools = [tool.model_dump() for tool in self.tools] if self.offers_tools else []
        return to_request(self.system, tools, [turn.model_dump() for turn in self.messages])


class MessagesBody(CountTokensBody):
    """A request for an answer."""

    max_tokens: int = Field(ge=1)
    stop_sequences: list[str] = Field(default_factory=list, max_length=64)
    stream: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0

    def drawing(self) -> Drawing:
        """How the answer is drawn."""
        return Drawing(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            stop=tuple(filter(None, self.stop_sequences)),
        )
