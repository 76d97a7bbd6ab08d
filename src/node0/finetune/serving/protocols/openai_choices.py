# SPDX-License-Identifier: Apache-2.0
"""What an OpenAI request says of its answer's form: the tools, which must be called, and the JSON wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node0.finetune.serving.constraint import ANY_ARGUMENTS, Constraint
from node0.finetune.serving.protocols.api_errors import RequestRefused

_KINDS = ("text", "json_object", "json_schema")


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool of a request."""

    definition: dict[str, Any]
    "As our renderer takes it."

    strict: bool
    "Whether its arguments must be of its schema."

    @property
    def name(self) -> str:
        """As the model calls it."""
        return str(self.definition["name"])

    @property
    def schema(self) -> Mapping[str, Any]:
        """Of its arguments."""
        return dict(self.definition["input_schema"])


def offered_tools(tools: Sequence[Mapping[str, Any]]) -> list[OfferedTool]:
    """The tools.

    Raises:
        RequestRefused: one is no function.
    """
    return [_tool(tool, number) for number, tool in enumerate(tools)]


def constraint(
    tools: Sequence[OfferedTool], choice: str | Mapping[str, Any] | None, *, parallel: bool, form: object
) -> Constraint:
    """What the answer may be, by `tool_choice`, `parallel_tool_calls` and `response_format`.

    Raises:
        RequestRefused: one of them is not as it must be, or the function that is chosen is not offered.
    """
    schema = _schema(form)
    chosen = _chosen(choice, tools)
    forced = chosen is not None
    if chosen is not None:
        shapes = tuple((tool.name, tool.schema) for tool in chosen)
    elif schema is not None or any(tool.strict for tool in tools):
        shapes = tuple((tool.name, tool.schema if tool.strict else ANY_ARGUMENTS) for tool in tools)
    else:
        shapes = ()
    return Constraint(schema=None if forced else schema, tools=shapes, forced=forced, one_call=not parallel)


def _chosen(
    choice: str | Mapping[str, Any] | None, tools: Sequence[OfferedTool]
) -> Sequence[OfferedTool] | None:
    """The tools one of which must be called; None where none must."""
    match choice:
        case None | "auto" | "none":
            return None
        case "required":
            if not tools:
                raise _refused("tool_choice", "required needs tools; offer some")
            return tools
        case {"type": "function", "function": {"name": str(name)}}:
            found = [tool for tool in tools if tool.name == name]
            if not found:
                raise _refused("tool_choice", f"no function {name[:80]!r} is offered")
            return found
        case _:
            raise _refused("tool_choice", "give none, auto, required or one function")


def _schema(form: object) -> Mapping[str, Any] | None:
    match form:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            raise _refused("response_format", f"give a type of {', '.join(_KINDS)}, the last with a schema")


def _tool(tool: Mapping[str, Any], number: int) -> OfferedTool:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise RequestRefused(f"tools.{number}: only functions can be offered here", param="tools")
    name, schema = function.get("name"), function.get("parameters") or {}
    description = function.get("description") or ""
    if not isinstance(name, str) or not isinstance(description, str) or not isinstance(schema, dict):
        raise RequestRefused(f"tools.{number}.function: give name, description, parameters", param="tools")
    definition = {"name": name, "description": description, "input_schema": schema}
    return OfferedTool(definition, strict=function.get("strict") is True)


def _refused(param: str, message: str) -> RequestRefused:
    return RequestRefused(f"{param}: {message}", param=param)
