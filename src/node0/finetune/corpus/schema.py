# SPDX-License-Identifier: Apache-2.0
"""The schema of a corpus entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from node0.documents.json_document import MAX_DEPTH, depth_exceeds
from node0.finetune.role import ROLE_PATTERN

Source = Literal[
    "claude-code", "codex", "gemini", "opencode", "pi", "tmux", "curated", "document", "operational", "import"
]
"Where an entry comes from: a harness that recorded it, or what else made it."

HARNESS_SOURCES: tuple[Source, ...] = ("claude-code", "codex", "gemini", "opencode", "pi")

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"Of an entry: a file name of its own, and never a path."

UNLEARNT = frozenset({"answer", "at"})
"Fields of a call that no model learns from."


class RecordedCall(BaseModel):
    """One call that the harness made: its answer is the assistant turn at `messages[n_messages]`."""

    model_config = ConfigDict(extra="forbid")

    n_messages: int = Field(ge=0)
    "How many of the entry's messages the request held."

    system: str
    "Key into the entry's `systems`."

    tools: str
    "Key into the entry's `toolsets`."

    exact: bool = False
    "The request was rebuilt from a log and proven by its hash."

    answer: str = Field(default="", pattern=r"^[0-9a-f]{0,16}$")
    "Digest of what the harness calls the answer, wherever it is copied; empty where it has no name for it."

    at: str = ""
    "When it was answered, ISO 8601, UTC; empty where nothing tells."

    @model_serializer(mode="wrap")
    def _without_what_is_not_told(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Files of entries that tell neither stay as they were before there was any."""
        written: dict[str, Any] = write(self)
        return {key: value for key, value in written.items() if value != "" or key not in UNLEARNT}


class Origin(BaseModel):
    """What a pair of answers was made of, and who said which is better."""

    model_config = ConfigDict(extra="forbid")

    how: Literal["compared", "mined"]
    "Two versions did one task, or two recorded sessions were in the same situation."

    entries: list[str]
    "Ids of the sessions' entries, the preferred one first."

    decided_by: str
    decided_at: str
    "ISO 8601, UTC."


class CorpusEntry(BaseModel):
    """One bead window of one conversation, a curated example, or a document.

    Messages and tools are in Messages form (`node0.finetune.chat.messages`). The file of an
    entry is this model as JSON.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=ID_PATTERN)
    role: str = Field(pattern=ROLE_PATTERN)
    rig: str
    task_type: str
    outcome: str
    created_at: str
    "ISO 8601, UTC."

    messages: list[dict[str, Any]] = Field(default_factory=list)
    chosen: list[dict[str, Any]] | None = None
    rejected: list[dict[str, Any]] | None = None

    bead_id: str | None = None
    source: Source = "curated"
    session_id: str | None = None
    answered_by: str | None = Field(default=None, max_length=512)
    """The model that answered, as the harness recorded it; several names are apart by spaces. None where the
    harness does not tell."""

    systems: dict[str, str] = Field(default_factory=dict)
    "System texts by digest."

    toolsets: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    "Tool lists by digest."

    requests: list[RecordedCall] = Field(default_factory=list)
    "Recorded calls, in order. Without any, every assistant turn counts as one call."

    tools: list[dict[str, Any]] = Field(default_factory=list)
    "The tool list of an entry without recorded calls."

    origin: Origin | None = None
    "Of a pair that was made of other entries."

    quality: float | None = Field(default=None, ge=0, le=1)
    quarantined: bool = False
    scrub_version: str = ""
    content_digest: str = ""
    "sha256 over what a model could learn from; set by the store."

    tokens: int | None = Field(default=None, ge=0)
    "Estimated, of messages and preferences; set by the store."

    @model_validator(mode="after")
    def _is_shallow(self) -> Self:
        deep = [self.messages, self.chosen, self.rejected, self.toolsets, self.tools]
        if depth_exceeds(deep, MAX_DEPTH + 1):
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        return self

    def digest(self) -> str:
        """The sha256, in hex, of messages, preferences, systems, tools and recorded calls."""
        content = self.model_dump(
            include={"messages", "chosen", "rejected", "systems", "toolsets", "requests", "tools"},
            exclude={"requests": {"__all__": set(UNLEARNT)}},
            mode="json",
        )
        line = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(line.encode()).hexdigest()


def estimated_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """A quarter of the characters that a model would read."""
    return sum(_length(message["content"]) for message in messages) // 4


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_length(item) for item in value.values())
    return sum(_length(item) for item in value) if isinstance(value, list) else 0
