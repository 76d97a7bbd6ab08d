# SPDX-License-Identifier: Apache-2.0
"""Reconstruct the requests of answers that no log proves, from the lines around them."""

from collections.abc import Iterator, Sequence

from node0.finetune.corpus.transcript.claude_code.answers import lasting_id, merged_answer
from node0.finetune.corpus.transcript.claude_code.chains import Chain, Context
from node0.finetune.corpus.transcript.claude_code.session_index import Line, SessionIndex, snapshot_shape
from node0.finetune.corpus.transcript.session_lines import LineLoader
from node0.finetune.corpus.transcript.trajectory import (
    RebuiltCall,
    RequestShape,
    Trajectory,
    up_to_last_answer,
)
from node0.finetune.corpus.transcript.wire_messages import MAX_HELD, TOO_LARGE, WireMessage, held

REMINDER = ("<system-reminder>\n", "\n</system-reminder>")


def reconstruct(
    index: SessionIndex, loader: LineLoader, chain: Chain, *, context: Context, proven: set[str]
) -> Trajectory:
    """The conversation as lines tell it, with a call for each answer that is not proven.

    Args:
        proven: Ids of answers whose requests the log gave.
    """
    made = Trajectory(chain.agent, [], [])
    learnt = (group.lines[0].message_id for group in context.groups if group.answer and not group.unlearnt)
    wanted = set(learnt) - proven
    if wanted and not context.whole:
        index.skipped["answer whose beginning is not in the file"] += len(wanted)
    if not wanted or not context.whole:
        return made
    shape = _last_shape(index, loader, chain, context)
    size = 0
    for group in context.groups:
        first = group.lines[0]
        if not group.answer:
            between = list(_between_answers(loader, group.lines))
            made.messages.extend(between)
            size += held([message["content"] for message in between])
            continue
        if size > MAX_HELD:
            index.skipped[TOO_LARGE] += len(wanted) - len(made.calls)
            return up_to_last_answer(made) or Trajectory(chain.agent, [], [])
        if first.message_id in wanted:
            made.calls.append(
                RebuiltCall(
                    len(made.messages),
                    shape,
                    exact=False,
                    at=first.at,
                    answer_id=first.message_id,
                    lasting_id=lasting_id(first),
                    model=first.model,
                )
            )
        made.messages.append(merged_answer(loader, group.lines))
    return made


def _last_shape(index: SessionIndex, loader: LineLoader, chain: Chain, context: Context) -> RequestShape:
    if index.shapes:
        return list(index.shapes.values())[-1]
    inside = (line for group in context.groups for line in group.lines)
    # The one with tools follows the first answer, so in a short session it lies behind the last line.
    anywhere = (line for line in index.lines.values() if line.agent == chain.agent)
    snapshots = [line for line in (*inside, *anywhere) if line.kind == "snapshot"]
    shapes = [snapshot_shape(loader.line(line.place)["attachment"]) for line in snapshots]
    return max(shapes, key=lambda shape: len(shape.tools), default=RequestShape())


def _between_answers(loader: LineLoader, lines: Sequence[Line]) -> Iterator[WireMessage]:
    """What the harness sends between two answers: results, reminders, words, then system turns."""
    results: list[WireMessage] = []
    words: list[list[WireMessage]] = []
    reminders: list[list[WireMessage]] = []
    system: list[str] = []
    for line in lines:
        if line.kind == "user":
            blocks = loader.message(line.place)["content"]
            if line.tool_ids:
                results.extend(blocks)
            else:
                words.append(blocks)
        elif line.kind == "attachment":
            content = loader.line(line.place)
            if content.get("renderedRole") == "system":
                system.extend(_rendered(content))
            else:
                reminders.extend([_text(item)] for item in _rendered(content))
    if results or reminders or words:
        yield {"role": "user", "content": _joined([results, *reminders, *words])}
    if system:
        yield {"role": "system", "content": [_text("\n\n".join(_unwrapped(item) for item in system))]}


def _joined(parts: Sequence[list[WireMessage]]) -> list[WireMessage]:
    """One list; a text gets a newline where the next part begins with text, as the harness does."""
    joined: list[WireMessage] = []
    for part in parts:
        if joined and part and joined[-1].get("type") == part[0].get("type") == "text":
            joined[-1] = joined[-1] | {"text": f"{joined[-1].get('text')}\n"}
        joined.extend(part)
    return joined


def _rendered(line: WireMessage) -> list[str]:
    rendered = line.get("rendered") or []
    parts = rendered if isinstance(rendered, list) else [rendered]
    texts = [part.get("content", part.get("text")) if isinstance(part, dict) else part for part in parts]
    return [text for text in texts if isinstance(text, str) and text]


def _text(text: str) -> WireMessage:
    return {"type": "text", "text": text}


def _unwrapped(text: str) -> str:
    return text.strip().removeprefix(REMINDER[0]).removesuffix(REMINDER[1])
