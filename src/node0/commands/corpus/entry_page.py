# SPDX-License-Identifier: Apache-2.0
"""An entry as a page of text for a person."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from node0.finetune.corpus.schema import CorpusEntry


class Part(NamedTuple):
    """A piece of an entry: a system prompt, or a block of a turn."""

    title: str
    "Whose it is; empty for what goes on with the piece before."

    text: str


def facts(entry: CorpusEntry) -> dict[str, Any]:
    """What is known of an entry beside its text."""
    whole = entry.model_dump(
        exclude={"messages", "chosen", "rejected", "systems", "toolsets", "requests", "tools"}
    )
    exact = sum(call.exact for call in entry.requests)
    known = {name: value for name, value in whole.items() if value is not None}
    return known | {"calls": f"{len(entry.requests)}, of them exact: {exact}"}


def parts(entry: CorpusEntry) -> Iterator[Part]:
    """System prompts and turns, piece by piece."""
    for text in entry.systems.values():
        yield Part("system prompt", text)
    for turn in [*entry.messages, *(entry.chosen or ()), *(entry.rejected or ())]:
        content = turn["content"]
        texts = [content] if isinstance(content, str) else [_block_text(block) for block in content]
        for number, text in enumerate(texts or [""]):
            yield Part("" if number else str(turn["role"]), text)


def page(entry: CorpusEntry) -> Iterator[str]:
    """Facts, system prompts and turns, piece by piece."""
    yield from (f"{name}: {value}" for name, value in facts(entry).items())
    for title, text in parts(entry):
        if title == "system prompt":
            yield f"\n--- {title}\n{text}"
            continue
        if title:
            yield f"\n--- {title}"
        yield text


def _block_text(block: dict[str, Any]) -> str:
    if block.get("type") == "text":
        return str(block.get("text"))
    if block.get("type") == "tool_use":
        return f"[call {block.get('name')}] {json.dumps(block.get('input'), ensure_ascii=False)}"
    content = block.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return "[result] " + "\n".join(str(part.get("text", "")) for part in parts)
