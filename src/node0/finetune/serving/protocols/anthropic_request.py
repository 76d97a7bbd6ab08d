# SPDX-License-Identifier: Apache-2.0
"""The body of `POST /v1/messages`: what is read of it, and what is refused."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from node0.finetune.chat.messages import Request
from node0.finetune.serving.constraint import ANY_ARGUMENTS, Constraint
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
    strict: bool = False
    "Whether its input must be of its schema."

    def shape(self, *, bound: bool) -> Mapping[str, Any]:
        """The schema of its input where that is kept to, else of any object."""
        return (self.input_schema or ANY_ARGUMENTS) if bound or self.strict else ANY_ARGUMENTS


class ToolChoice(_Body):
    """Whether, and which, tools must be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class CountTokensBody(_Body):
    """A request without what concerns its answer."""

    model: str
    messages: list[WireTurn] = Field(min_length=1)
    system: str | list[dict[str, Any]] = ""
    tools: list[WireTool] = Field(default_factory=list)
    tool_choice: ToolChoice | None = None
    metadata: dict[str, Any] | None = None

    @property
    def offers_tools(self) -> bool:
        """Whether the model is told of tools, and calls are read out of its answer."""
        return bool(self.tools) and (self.tool_choice is None or self.tool_choice.type != "none")

    def request(self) -> Request:
        """In Messages form.

        Raises:
            RequestRefused: a block is not as it must be.
        """
        tools = [tool.model_dump() for tool in self.tools] if self.offers_tools else []
        return to_request(self.system, tools, [turn.model_dump() for turn in self.messages])


class OutputFormat(_Body):
    """JSON of a schema."""

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(_Body):
    """What the answer must look like; how much effort it costs is not chosen here."""

    format: OutputFormat | None = None


class MessagesBody(CountTokensBody):
    """A request for an answer."""

    max_tokens: int = Field(ge=1)
    stop_sequences: list[str] = Field(default_factory=list, max_length=64)
    stream: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    output_config: OutputConfig = Field(default_factory=OutputConfig)
    output_format: OutputFormat | None = None
    "As the beta spelled it."

    def drawing(self) -> Drawing:
        """How the answer is drawn.

        Raises:
            RequestRefused: the tool that is chosen is not offered, or there is none to choose from.
        """
        return Drawing(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            stop=tuple(filter(None, self.stop_sequences)),
            constraint=self._constraint(),
        )

    def _constraint(self) -> Constraint:
        choice = self.tool_choice or ToolChoice(type="auto")
        form = self.output_config.format or self.output_format
        forced = choice.type in ("any", "tool")
        tools = [tool for tool in self.tools if choice.type != "tool" or tool.name == choice.name]
        if forced and not tools:
            named = f"no tool {str(choice.name)[:80]!r} is" if choice.type == "tool" else "no tools are"
            raise RequestRefused(f"tool_choice: {named} offered", param="tool_choice")
        bound = forced or form is not None or any(tool.strict for tool in tools)
        offered = tools if bound and self.offers_tools else []
        return Constraint(
            schema=form.schema_ if form and not forced else None,
            tools=tuple((tool.name, tool.shape(bound=forced)) for tool in offered),
            forced=forced,
            one_call=choice.disable_parallel_tool_use,
        )
