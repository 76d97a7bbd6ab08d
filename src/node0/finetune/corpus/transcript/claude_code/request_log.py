# SPDX-License-Identifier: Apache-2.0
"""Rebuild the logged requests of a chain, message for message, each proven by its hash."""

from collections.abc import Iterator, Sequence

from node0.finetune.corpus.transcript.claude_code.answers import lasting_id, merged_answer
from node0.finetune.corpus.transcript.claude_code.chains import REPEATED, Chain, LineGroup
from node0.finetune.corpus.transcript.claude_code.log_hash import message_hash
from node0.finetune.corpus.transcript.claude_code.session_index import Line, LoggedCall, SessionIndex
from node0.finetune.corpus.transcript.session_lines import LineLoader
from node0.finetune.corpus.transcript.trajectory import RebuiltCall, Trajectory, up_to_last_answer
from node0.finetune.corpus.transcript.wire_messages import MAX_HELD, WireMessage, as_blocks, held

KEPT_LISTS = 16
"Lists of a conversation's messages that are kept; a call extends the one before it, seldom an older one."


class RequestLog:
    """Rebuilds the logged requests of one chain."""

    def __init__(self, index: SessionIndex, loader: LineLoader, chain: Chain) -> None:
        self._index = index
        self._loader = loader
        self._chain = chain
        self._groups = [group for context in chain.contexts for group in context.groups]
        self._hashes: dict[str, list[str] | None] = {}
        self._candidates: dict[str, Sequence[Line]] = {}
        self._too_large: list[str] = []

    def trajectories(self) -> Iterator[Trajectory]:
        """Every call whose messages and shape are proven."""
        if not self._index.calls:
            return
        self._candidates = dict(self._named_messages())
        current, previous, size = None, None, 0
        for call, answer in self._answered():
            names = self._names(call)
            if names is None or call.shape not in self._index.shapes or self._extends_too_large(names):
                continue
            start = self._extension(previous, names, current)
            if current is None or start is None:
                if current:
                    yield current
                current, start, size = Trajectory(self._chain.agent, [], []), 0, 0
            else:
                current.messages.pop()
            added = self._load(current, names[start:], MAX_HELD - size)
            if size + added > MAX_HELD:
                current, self._too_large = up_to_last_answer(current), names
                continue
            size += added
            self._append(current, call, answer)
            previous = names
        if current:
            yield current

    def _append(self, trajectory: Trajectory, call: LoggedCall, answer: LineGroup) -> None:
        """Put a call and its answer behind the messages that it sent."""
        if not answer.unlearnt:
            trajectory.calls.append(
                RebuiltCall(
                    n_messages=len(trajectory.messages),
                    shape=self._index.shapes[call.shape],
                    exact=True,
                    at=call.at,
                    answer_id=answer.lines[0].message_id,
                    lasting_id=lasting_id(answer.lines[0]),
                    model=answer.lines[0].model,
                )
            )
        trajectory.messages.append(merged_answer(self._loader, answer.lines))

    def _load(self, trajectory: Trajectory, names: Sequence[str], room: int) -> int:
        """Put messages behind a trajectory until it is full; the memory that they take."""
        size = 0
        for name in names:
            trajectory.messages.append(self._resolve(name))
            size += held(trajectory.messages[-1])
            if size > room:
                break
        return size

    def _extends_too_large(self, names: Sequence[str]) -> bool:
        known = self._too_large
        return bool(known) and list(names[: len(known)]) == known

    def _answered(self) -> Iterator[tuple[LoggedCall, LineGroup]]:
        answers = [group for group in self._groups if group.answer and group.unlearnt != REPEATED]
        by_request = {group.lines[0].request: group for group in answers if group.lines[0].request}
        order = {uuid: number for number, uuid in enumerate(self._index.lines)}
        free = [group for group in answers if not group.lines[0].request]
        for call in self._index.calls.values():
            answer = by_request.get(call.id)
            if answer is None and free:
                answer = next((group for group in free if order[group.lines[0].uuid] >= call.line), None)
                free = [group for group in free if group is not answer]
            if answer is not None:
                yield call, answer
            elif not self._chain.agent:
                self._index.skipped["request without an answer on the active path"] += 1

    def _names(self, call: LoggedCall) -> list[str] | None:
        """The hashes of the call's messages; None when one is not in the file or on another branch."""
        bases = [call]
        while bases[-1].id not in self._hashes and bases[-1].base is not None:
            base = self._index.calls.get(bases[-1].base)
            if base is None or base in bases:
                self._hashes[bases[-1].id] = None
                break
            bases.append(base)
        for one in reversed(bases):
            if one.id not in self._hashes:
                self._hashes[one.id] = self._joined(one)
            if len(self._hashes) > KEPT_LISTS:
                del self._hashes[next(iter(self._hashes))]
        names = self._hashes[call.id]
        # Only what the call keeps has to be there: a rewound conversation builds on an abandoned request.
        known = names and all(name in self._index.blobs or name in self._candidates for name in names)
        return names if known else None

    def _joined(self, call: LoggedCall) -> list[str] | None:
        kept = self._hashes[call.base] if call.base is not None else []
        if kept is None or len(kept) < call.keep:
            return None
        return [*kept[: call.keep], *call.tail]

    def _extension(
        self, previous: list[str] | None, names: list[str], current: Trajectory | None
    ) -> int | None:
        """Where the new messages begin when this call extends the trajectory, else None."""
        if current is None or previous is None:
            return None
        asked = len(previous)
        if len(names) <= asked or names[:asked] != previous:
            return None
        return asked if same_answer(self._resolve(names[asked]), current.messages[-1]) else None

    def _resolve(self, name: str) -> WireMessage:
        if name in self._index.blobs:
            return self._loader.message(self._index.blobs[name])
        return self._merged(self._candidates[name])

    def _merged(self, lines: Sequence[Line]) -> WireMessage:
        if lines[0].kind == "assistant":
            return merged_answer(self._loader, lines)
        return self._loader.merged(line.place for line in lines)

    def _named_messages(self) -> Iterator[tuple[str, Sequence[Line]]]:
        """The messages that the chain's lines can make, each under the hash that the log would name."""
        calls: tuple[str, ...] = ()
        for group in self._groups:
            if group.answer:
                calls = tuple(name for line in group.lines for name in line.tool_ids)
            users = [line for line in group.lines if line.kind in ("user", "assistant")]
            results = [line for line in users if line.tool_ids]
            ordered = sorted(results, key=lambda line: _position(calls, line))
            choices = [users] if group.answer else [users, results, ordered, *([line] for line in users)]
            for lines in choices:
                if lines:
                    yield message_hash(self._merged(lines)), lines


def same_answer(sent_back: WireMessage, answer: WireMessage) -> bool:
    """Whether a later request repeats this answer; names and inputs of calls may be normalised."""
    return sent_back["role"] == "assistant" and _marks(sent_back) == _marks(answer)


def _position(calls: Sequence[str], line: Line) -> int:
    return calls.index(line.tool_ids[0]) if line.tool_ids[0] in calls else len(calls)


def _marks(message: WireMessage) -> list[str]:
    keys = {"text": "text", "tool_use": "id"}
    blocks = (block for block in as_blocks(message["content"]) if block.get("type") in keys)
    marks = (str(block.get(keys[block["type"]])).strip() for block in blocks)
    return [mark for mark in marks if mark]
