# SPDX-License-Identifier: Apache-2.0
"""From what was recorded to corpus entries: wire messages, bead windows, terminal captures.

An entry holds the whole context of its calls: the messages from the beginning of the conversation (or of
the last compaction) to the window's last answer. `requests` names only the window's own calls, so each
answer is supervised in one entry.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from node0.errors import BadCorpus
from node0.finetune.corpus.lone_surrogates import replace_lone_surrogates
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.town.window_outcomes import transcript_outcome
from node0.finetune.corpus.transcript.session_file import RebuiltCall, Row
from node0.finetune.corpus.transcript.session_index import Message, Shape, as_blocks

IMAGE = "[image]"
DOCUMENT = "[document]"
BILLING = "x-anthropic-billing-header"
TURN = re.compile(
    r"^(?:(?P<user>[>❯]|user:|human:)|(?P<assistant>[⏺●]|assistant:|claude:)|system:)[ \t]*", re.IGNORECASE
)
ENDS = (".", "!", "?", ":", "`", ")", "]", "}", '"', "'")


@dataclass(frozen=True)
class Rebased:
    """Messages in Messages form, and where each recorded position went."""

    messages: list[dict[str, Any]]
    index: list[int]
    "For each wire position (and one past the end) its position here."


class CorpusFormatter:
    """Makes entries; every string in them has been scrubbed."""

    def __init__(self, scrubber: CorpusScrubber | None = None) -> None:
        self._scrubber = scrubber or CorpusScrubber()

    def format_session(  # the plan's signature
        self, transcript: str, role: str, rig: str, bead_id: str | None, outcome: str, task_type: str
    ) -> CorpusEntry:
        """The entry of a terminal capture: turns by their markers, cut after the last complete one.

        Raises:
            BadCorpus: no complete turn stands in the text.
        """
        messages = capture_messages(transcript)
        if not messages:
            raise BadCorpus("the capture holds no complete turn: nothing to store")
        entry = CorpusEntry(
            id=_short_hash(bead_id or "", role, rig, transcript),
            role=role,
            rig=rig,
            task_type=task_type,
            outcome=outcome,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            messages=messages,
            bead_id=bead_id,
            source="tmux",
        )
        return self._scrubber.scrub_entry(entry).entry

    def format_row(self, row: Row, session: Session, skipped: Counter[str]) -> Iterator[CorpusEntry]:
        """The unscrubbed entries of one row, one for each bead window with calls.

        Args:
            skipped: Takes the count of answers that hold nothing to learn.
        """
        rebased = messages_form(row.messages)
        for window in session.windows:
            calls = [call for call in row.calls if session.window_at(call.at) is window]
            requests, systems, toolsets = _requests(calls, row.messages, rebased, skipped)
            if not requests:
                continue
            messages = rebased.messages[: requests[-1].n_messages + 1]
            yield CorpusEntry(
                id=_short_hash(window.bead_id or "", session.session_id, row.agent, calls[0].answer_id),
                role=session.role,
                rig=session.rig,
                task_type="subagent" if row.agent else window.task_type,
                outcome=window.outcome or _told_outcome(rebased.messages, requests, window.bead_id),
                created_at=calls[0].at or session.started,
                messages=messages,
                bead_id=window.bead_id,
                source="claude-code",
                session_id=session.session_id,
                systems=systems,
                toolsets=toolsets,
                requests=requests,
                quality=window.quality,
            )


def messages_form(wire: Sequence[Message]) -> Rebased:
    """Wire messages as the rest of this project knows them; a message left empty is dropped."""
    messages: list[dict[str, Any]] = []
    index = []
    for message in wire:
        index.append(len(messages))
        blocks = [kept for block in as_blocks(message["content"]) if (kept := _block(block))]
        if blocks:
            messages.append({"role": message["role"], "content": blocks})
    return Rebased(messages, [*index, len(messages)])


def capture_messages(text: str) -> list[dict[str, Any]]:
    """The turns of a terminal capture, up to the last complete answer."""
    turns: list[dict[str, Any]] = []
    prompted = False
    for line in text.splitlines():
        mark = TURN.match(line)
        if mark:
            role = "user" if mark.group("user") else "assistant" if mark.group("assistant") else "system"
            rest = line[mark.end() :]
            idle, prompted = prompted, role == "user" and not rest.strip()
            if not prompted and not idle and turns and turns[-1]["role"] == role == "assistant":
                turns[-1]["content"] += "\n" + rest
            elif not prompted:
                turns.append({"role": role, "content": rest})
        elif turns and not prompted:
            turns[-1]["content"] += "\n" + line
    turns = [{**turn, "content": turn["content"].strip()} for turn in turns]
    turns = [turn for turn in turns if turn["content"]]
    if (
        turns
        and turns[-1]["role"] == "assistant"
        and not prompted
        and not turns[-1]["content"].endswith(ENDS)
    ):
        turns.pop()
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    return turns


def _told_outcome(
    messages: Sequence[dict[str, Any]], requests: Sequence[RecordedCall], bead_id: str | None
) -> str:
    first, last = requests[0].n_messages, requests[-1].n_messages
    # The message after the last answer tells whether its calls failed.
    return transcript_outcome(messages[first : last + 2], messages[last], bead_id=bead_id)


def _requests(
    calls: Sequence[RebuiltCall], wire: Sequence[Message], rebased: Rebased, skipped: Counter[str]
) -> tuple[list[RecordedCall], dict[str, str], dict[str, list[dict[str, Any]]]]:
    requests: list[RecordedCall] = []
    systems: dict[str, str] = {}
    toolsets: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        at = rebased.index[call.n_messages]
        if rebased.index[call.n_messages + 1] == at:
            skipped["answer without words or calls"] += 1
            continue
        text = "\n\n".join(part for part in call.shape.system if not part.startswith(BILLING))
        tools = _offered(call.shape, wire[: call.n_messages])
        system_key, tools_key = _short_hash(text), _short_hash(repr(tools))
        systems[system_key], toolsets[tools_key] = _plain(text), tools
        requests.append(RecordedCall(n_messages=at, system=system_key, tools=tools_key, exact=call.exact))
    return requests, systems, toolsets


def _offered(shape: Shape, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The tools whose definitions the model read: a deferred one only after a result names it."""
    deferred = {str(tool.get("name")) for tool in shape.tools if tool.get("defer_loading")}
    if deferred:
        results = (block.get("content") for message in messages for block in as_blocks(message["content"]))
        deferred -= {
            str(part.get("tool_name"))
            for content in results
            for part in (as_blocks(content) if isinstance(content, list) else ())
            if part.get("type") == "tool_reference"
        }
    keys = ("name", "description", "input_schema")
    offered = (tool for tool in shape.tools if str(tool.get("name")) not in deferred)
    return [_plain({key: tool.get(key) for key in keys}) for tool in offered]


def _block(block: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = block.get("type")
    if kind == "text":
        return _text(block.get("text"))
    if kind == "tool_use":
        given = block.get("input")
        call = {"input": _plain(given) if isinstance(given, dict) else {}}
        return {"type": "tool_use", "id": str(block.get("id")), "name": str(block.get("name")), **call}
    if kind == "tool_result":
        return _result(block)
    if kind == "tool_reference":
        return _text(block.get("tool_name"))
    return (
        {"type": "text", "text": IMAGE if kind == "image" else DOCUMENT}
        if kind in ("image", "document")
        else None
    )


def _result(block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content") or ""
    parts = () if isinstance(content, str) else as_blocks(content)
    kept = _plain(content) if isinstance(content, str) else [part for item in parts if (part := _block(item))]
    result = {"type": "tool_result", "tool_use_id": str(block.get("tool_use_id")), "content": kept}
    return {**result, "is_error": True} if block.get("is_error") is True else result


def _text(text: Any) -> dict[str, Any] | None:
    return {"type": "text", "text": _plain(text)} if isinstance(text, str) and text else None


def _plain(value: Any) -> Any:
    """The value with half surrogates replaced, which no file can hold."""
    if isinstance(value, str):
        return replace_lone_surrogates(value)
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(item) for key, item in value.items() if key != "cache_control"}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
