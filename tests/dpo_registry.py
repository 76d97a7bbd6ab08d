# SPDX-License-Identifier: Apache-2.0
"""Two versions of a polecat and one of a witness, and sessions that part at their second answer."""

from typing import Any

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry

TOOL = {"name": "bash", "description": "Run a command.", "input_schema": {"type": "object"}}


def fill(registry: ModelRegistry) -> None:
    """Register pc:1, pc:2 and wt:1."""
    for name, role in (("pc", "polecat"), ("pc", "polecat"), ("wt", "witness")):
        registry.register(ModelRegistryEntry(name=name, role=role, artifact_path="/x"))


def session(name: str, answer: str, *, role: str = "polecat", recorded: bool = False) -> CorpusEntry:
    """A session of a bead: one shared step, then an answer of its own."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Fix the gate."},
        {"role": "assistant", "content": "I look first."},
        {"role": "user", "content": "It is shut."},
        {"role": "assistant", "content": answer},
    ]
    changes: dict[str, Any] = {"messages": messages, "tools": [TOOL]}
    if recorded:
        changes = {
            "messages": messages, "systems": {"s": "You are a polecat."}, "toolsets": {"t": [TOOL]},
            "requests": [RecordedCall(n_messages=1, system="s", tools="t")],
        }  # fmt: skip
    return CorpusEntry(
        id=name, role=role, rig="lantern", task_type="x", outcome="success", source="claude-code",
        created_at="2026-03-01T00:00:00+00:00", session_id=name, **changes,
    )  # fmt: skip
