# SPDX-License-Identifier: Apache-2.0
"""Deployment profiles: a deployed role's prompt, tools and window.

What is trained must be what is asked. Recorded requests hold a stock harness's prompts, a dozen
tools and tens of kilobytes of hook output; a deployed role meets a short card and few tools.
`apply_profile` rewrites the first into the second. It maps turn by turn, so a request that extends
another still extends it afterwards, and applying it twice is applying it once.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from node0.documents.yaml_document import load_yaml
from node0.errors import ConfigError, NotFound
from node0.files import write_atomically
from node0.finetune.chat import harness
from node0.finetune.chat.messages import Block, Message, Request, Tool, ToolResultBlock, ToolUseBlock, blocks
from node0.finetune.role import ROLE_PATTERN, ROLE_RULE, is_role_name

_SHIPPED = resources.files("node0.finetune.chat") / "profiles"


class ProfileTool(BaseModel):
    """A tool as the deployed model sees it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    "The harness's name of it."

    description: str
    "One short sentence: it is paid for in every request."

    input_schema: dict[str, Any]
    "JSON schema of the inputs that the model may give; recorded inputs beyond it are left out."

    def reduced(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs that the schema knows."""
        known = self.input_schema.get("properties", {})
        return {name: value for name, value in given.items() if name in known}


class DeploymentProfile(BaseModel):
    """How a role's model is prompted when it is deployed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str = Field(pattern=ROLE_PATTERN)
    "Role it is for."

    card: str | None = None
    "System prompt; null keeps the recorded one without the harness's own lines."

    tools: tuple[ProfileTool, ...] = ()
    "Tools it may call: a shipped tool's name, or a full definition."

    context_window: int = Field(8192, ge=64)
    "Tokens that a deployed request may hold, its answer included."

    max_output_tokens: int = Field(1024, ge=1)
    "Tokens of the longest answer."

    max_prime_chars: int = Field(2500, ge=0, le=10_000)
    "Characters kept of a prime; a hook output beyond 10,000 does not reach the model whole."

    prime_sections: tuple[str, ...] = harness.PRIME_SECTIONS
    "Patterns of the headings whose sections are kept of a full prime."

    keep: tuple[str, ...] = harness.KEEP
    "Patterns of harness turns and reminders that stay."

    drop: tuple[str, ...] = harness.DROP
    "Patterns of harness turns and reminders that go. Other turns stay, other reminders go."

    @field_validator("tools", mode="before")
    @classmethod
    def _named_tools(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return [_shipped_tool(tool) if isinstance(tool, str) else tool for tool in value]

    @field_validator("prime_sections", "keep", "drop")
    @classmethod
    def _valid_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value

    @property
    def rules(self) -> harness.Rules:
        """What happens to the harness's own turns."""
        return _rules(self.role, self.max_prime_chars, self.prime_sections, self.keep, self.drop)

    @property
    def by_name(self) -> dict[str, ProfileTool]:
        """The tools by name."""
        return {tool.name: tool for tool in self.tools}

    @property
    def digest(self) -> str:
        """sha256, in hex, of everything it says."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def tool_list(self) -> list[Tool]:
        """All tools in Messages form."""
        return [cast(Tool, tool.model_dump()) for tool in self.tools]


def load_profile(role: str, path: Path | None = None) -> DeploymentProfile:
    """The role's profile: from a file, a directory of `<role>.yaml` files, or as shipped.

    A role without a file gets the default one under its own name.

    Raises:
        NotFound: `path` does not exist.
        ConfigError: The file is no valid profile.
    """
    if path is not None and not path.exists():
        raise NotFound(f"profile {path} does not exist: name a YAML file or a directory of them")
    if path is not None and path.is_file():
        return _parsed(_text_of(path), role, str(path))
    if path is not None and (path / f"{role}.yaml").is_file():
        return load_profile(role, path / f"{role}.yaml")
    if not is_role_name(role):
        raise ConfigError(f"role {role!r} is no role name: {ROLE_RULE}")
    file = _SHIPPED / f"{role}.yaml"
    if not file.is_file():
        file = _SHIPPED / "default.yaml"
    return _parsed(file.read_text(encoding="utf-8"), role, file.name)


def dump_profile(profile: DeploymentProfile, path: Path) -> None:
    """Write the profile as a YAML file that `load_profile` reads back."""
    text = yaml.safe_dump(profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, text)


def apply_profile(request: Request, profile: DeploymentProfile) -> Request:
    """The request as the deployed model meets it."""
    turns = (rewrite(message, profile) for message in request["messages"])
    return {
        "system": rewrite_system(request["system"], profile),
        "tools": rewrite_tools(request["tools"], profile),
        "messages": [turn for turn in turns if turn is not None],
    }


def rewrite_system(system: str, profile: DeploymentProfile) -> str:
    """The card, or the recorded prompt without the harness's own lines."""
    return harness.without_boilerplate(system) if profile.card is None else profile.card.strip()


def rewrite_tools(tools: Iterable[Tool], profile: DeploymentProfile) -> list[Tool]:
    """The profile's form of those tools that the request offers, in the profile's order."""
    offered = {tool["name"] for tool in tools}
    return [tool for tool in profile.tool_list() if tool["name"] in offered]


def rewrite(message: Message, profile: DeploymentProfile) -> Message | None:
    """One turn as deployed; None where nothing of it is left."""
    kept = [new for block in blocks(message) if (new := _rewrite_block(block, message["role"], profile))]
    return {"role": message["role"], "content": kept} if kept else None


def _rewrite_block(block: Block, role: str, profile: DeploymentProfile) -> Block | None:
    match block["type"]:
        case "text":
            text = block["text"]
            if role == "system":
                text = harness.clean_turn(text, profile.rules)
            elif role == "user":
                text = harness.clean_words(text, profile.rules)
            return {"type": "text", "text": text} if text.strip() else None
        case "tool_use":
            return _reduced_call(block, profile)
        case "tool_result":
            return _reduced_result(block, profile)
        case "image":
            return {"type": "text", "text": "[image]"}
        case _:
            return None


def _reduced_call(block: ToolUseBlock, profile: DeploymentProfile) -> ToolUseBlock:
    tool = profile.by_name.get(block["name"])
    given = tool.reduced(block["input"]) if tool else block["input"]
    return {"type": "tool_use", "id": block["id"], "name": block["name"], "input": given}


def _reduced_result(block: ToolResultBlock, profile: DeploymentProfile) -> ToolResultBlock:
    text = harness.clean_result(harness.result_text(block), profile.rules)
    new: ToolResultBlock = {"type": "tool_result", "tool_use_id": block["tool_use_id"], "content": text}
    if block.get("is_error"):
        new["is_error"] = True
    return new


@lru_cache(maxsize=64)
def _rules(role: str, max_prime_chars: int, *patterns: tuple[str, ...]) -> harness.Rules:
    return harness.Rules(role, max_prime_chars, *map(harness.compiled, patterns))


def _shipped_tool(name: str) -> object:
    known = yaml.safe_load((_SHIPPED / "tools.yaml").read_text(encoding="utf-8"))
    if name not in known:
        raise ValueError(f"no shipped tool {name!r}: use one of {', '.join(known)}, or define it in full")
    return {"name": name, **known[name]}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read profile {path}: {reason}; name a YAML file") from None


def _parsed(text: str, role: str, source: str) -> DeploymentProfile:
    try:
        values = load_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"profile {source} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"profile {source} is no mapping: write `card: ...` and `tools: [...]`")
    try:
        return DeploymentProfile(**{"role": role, **values})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"profile {source}: {where}: {first['msg']}; correct the file") from None
