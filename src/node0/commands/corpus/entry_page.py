# SPDX-License-Identifier: Apache-2.0
"""An entry as a page of text for a person."""

import json
from collections.abc import Iterator
from typing import Any

from node0.finetune.corpus.schema import CorpusEntry


def page(entry: CorpusEntry) -> Iterator[str]:
    """Facts, system prompts and turns, piece by piece."""
    facts = entry.model_dump(
        exclude={"messages", "chosen", "rejected", "systems", "toolsets", "requests", "tools"}
    )
    yield from (f"{name}: {value}" for name, value in facts.items() if value is not None)
    exact = sum(call.exact for call in entry.requests)
    yield f"calls: {len(entry.requests)}, of them exact: {exact}"
    for text in entry.systems.values():
        yield f"\n--- system prompt\n{text}"
    for turn in [*entry.messages, *(entry.chosen or ()), *(entry.rejected or ())]:
        yield f"\n--- {turn['role']}"
        content = turn["content"]
        yield from [content] if isinstance(content, str) else (_block_text(block) for block in content)


def _block_text(block: dict[str, Any]) -> str:
    if block.get("type") == "text":
        return str(block.get("text"))
    if block.get("type") == "tool_use":
        return f"[call {block.get('name')}] {json.dumps(block.get('input'), ensure_ascii=False)}"
    content = block.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return "[result] " + "\n".join(str(part.get("text", "")) for part in parts)
