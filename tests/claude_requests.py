# SPDX-License-Identifier: Apache-2.0
"""Hold what the reader rebuilds from session files against what a server received."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node0.finetune.chat.profile import DeploymentProfile, rewrite_tools
from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile

BILLING = "x-anthropic-billing-header:"
"Begins a system block that the harness puts on the wire and not into its file."


@dataclass
class Comparison:
    """How many requests came back as they were sent, and what became of the rest.

    Attributes:
        exact: Came back with a proof.
        reconstructed: Came back alike, from the conversation's lines.
        differing: Came back otherwise; says where.
        unlogged: Answered, and no rebuilt call has the answer; ids of the answers.
        unanswered: Were answered with an error.
        skipped: What the reader counted.
    """

    exact: int = 0
    reconstructed: int = 0
    differing: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    unanswered: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def compare(
    requests: Sequence[tuple[dict[str, Any], str]],
    transcripts: Iterable[Path],
    *,
    profile: DeploymentProfile | None = None,
) -> Comparison:
    """Rebuild every call of the files.

    Args:
        requests: (body, id of the message that answered it).
        transcripts: Session files.
        profile: Has the words in which tools are compared; without one they are compared as they are.
    """
    result = Comparison()
    rebuilt: dict[str, list[tuple[Any, bool]]] = {}
    for path in transcripts:
        transcript = SessionFile(path)
        for row in transcript.trajectories():
            for call in row.calls:
                shape = {"system": list(call.shape.system), "tools": list(call.shape.tools)}
                request = shape | {"messages": row.messages[: call.n_messages]}
                rebuilt.setdefault(call.answer_id, []).append((plain(request, profile), call.exact))
        result.skipped.update(transcript.skipped)
    for body, answer_id in requests:
        copies = rebuilt.get(answer_id, [])
        result.unanswered += not answer_id
        result.unlogged += [answer_id] if answer_id and not copies else []
        for content, exact in copies:
            name = f"{answer_id} {'exact' if exact else 'reconstructed'}"
            _judge(result, plain(body, profile), content, name, exact)
    return result


def recorded(path: Path) -> list[tuple[dict[str, Any], str]]:
    """The requests of a recorded session: bodies and ids of the answers."""
    return [(item["body"], item["answer_id"]) for item in json.loads(path.read_text(encoding="utf-8"))]


def _judge(result: Comparison, sent: Any, rebuilt: Any, name: str, exact: bool) -> None:
    if rebuilt != sent:
        result.differing.append(f"{name}: {where(rebuilt, sent)}")
    elif exact:
        result.exact += 1
    else:
        result.reconstructed += 1


def plain(body: dict[str, Any], profile: DeploymentProfile | None = None) -> dict[str, Any]:
    """System, tools and messages without cache marks, each content as blocks."""
    tools = body.get("tools", [])
    system = [block["text"] if isinstance(block, dict) else block for block in body.get("system", [])]
    return {
        "system": [words for words in system if not words.startswith(BILLING)],
        "tools": _unmarked(tools if profile is None else rewrite_tools(tools, profile)),
        "messages": [
            {"role": message["role"], "content": _unmarked(_blocks(message["content"]))}
            for message in body["messages"]
        ],
    }


def _blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(item) for key, item in value.items() if key != "cache_control"}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def where(ours: Any, theirs: Any, path: str = "") -> str:
    """The first place where two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return next(
            (where(ours[key], theirs[key], f"{path}.{key}") for key in ours if ours[key] != theirs[key]), ""
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((where(a, b, f"{path}[{number}]") for number, (a, b) in pairs if a != b), "")
    return f"{path}: {str(ours)[:200]!r} was {str(theirs)[:200]!r}"
