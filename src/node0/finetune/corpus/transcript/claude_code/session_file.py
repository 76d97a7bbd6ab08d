# SPDX-License-Identifier: Apache-2.0
"""Read a Claude Code session file: every recorded request, or a reconstruction where none is logged.

A file is JSON lines at `<config dir>/projects/<slug>/<session uuid>.jsonl`; subagents lie at
`<slug>/<session uuid>/subagents/agent-*.jsonl`. Lines read, with the keys that matter
(observed with 2.1.330; every other key is ignored):

    user        uuid, parentUuid, timestamp, sessionId, cwd, version, isSidechain, agentId, message
                {role: user, content: str | [text | tool_result | image]}
    assistant   as above, message {id, role, content: [text | thinking | tool_use], stop_reason},
                requestRef = id of the api-request that it answers. One answer is split over several
                lines (one block each) with the same message.id. isApiErrorMessage marks no answer
    attachment  uuid, parentUuid, attachment {type, ...}, rendered [{content: str}], renderedRole
                (user | system). attachment.type prompt_snapshot has systemPrompt [str], cliPrefix and
                tools [{schema: {name, description, input_schema}}]
    system      subtype compact_boundary cuts the conversation (logicalParentUuid); others are skipped
    api-request-shape  shapeHash, shape {system: [{type: text, text}], tools: [{name, description,
                input_schema, defer_loading?}]}; without the billing header that leads system on the wire
    api-request-blob   hash, message {role: user | system | assistant, content}
    api-request        id, timestamp, shapeHash, base?, keep, tail [hash]; params, querySource,
                cacheControl and requestDigest may stand beside them

The messages of a request are the first `keep` messages of request `base`, then those that `tail`
names by hash: a blob, or messages of the conversation (assistant lines merged by message.id; the
tool results that answer one assistant message merged into one user message; a plain user line).
Hash: sha256, hex, over compact key-sorted UTF-8 JSON of {role, content} without any cache_control,
ensure_ascii off, a plain string content counting as [{"type": "text", "text": ...}]. shapeHash is the
same over `shape`. A blob is written for a message that is not found on lines in this form.
`{"role": "system"}` turns stand among the messages.

The answer of a request is the assistant message with that requestRef; where lines have none, the
first assistant message after the api-request line.

Any other type is counted; so are lines that are torn, duplicated (a resumed session) or on an
abandoned branch, requests without an answer, and answers without a logged request.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.corpus.transcript.conversations import Group, Segment, Thread, threads
from node0.finetune.corpus.transcript.session_index import (
    MAX_HELD,
    Loader,
    LoggedCall,
    Message,
    SessionIndex,
    Shape,
    Turn,
    as_blocks,
    held,
    index_session,
    message_hash,
    snapshot_shape,
)

KEPT_LISTS = 16
"Lists of a conversation's messages that are kept; a call extends the one before it, seldom an older one."

TOO_LARGE = "call with more than 48 MB before it"
REMINDER = ("<system-reminder>\n", "\n</system-reminder>")


@dataclass(frozen=True)
class RebuiltCall:
    """One request; its answer is `messages[n_messages]` of its row."""

    n_messages: int
    shape: Shape
    exact: bool
    "Every message and the shape are proven by their recorded hashes."

    at: str
    "ISO 8601, UTC."

    answer_id: str


@dataclass(frozen=True)
class Row:
    """Calls that extend each other, over one list of messages in wire form."""

    agent: str
    "Empty for the main conversation, else the sidechain's name."

    messages: list[Message]
    calls: list[RebuiltCall]


class Transcript:
    """One session file, indexed.

    Attributes:
        skipped: What was not used, by reason; complete after `rows` is exhausted.
    """

    def __init__(self, path: Path) -> None:
        self._index = index_session(path)
        self.path = path
        self.session_id = self._index.session_id
        self.version = self._index.version
        self.skipped: Counter[str] = self._index.skipped

    @property
    def cwd(self) -> str:
        """Where the session worked."""
        return self._index.cwd

    def rows(self) -> Iterator[Row]:
        """Every call with an answer, once, in rows; one row at a time is held in memory.

        Exact rows come first, then reconstructed ones for answers whose request is not proven.
        """
        with Loader(self.path) as loader:
            for thread in threads(self._index.turns.values(), self.skipped):
                yield from _thread_rows(self._index, loader, thread)
        self.skipped = +self.skipped


def _thread_rows(index: SessionIndex, loader: Loader, thread: Thread) -> Iterator[Row]:
    log = _RequestLog(index, loader, thread)
    proven: set[str] = set()
    for row in log.rows():
        proven.update(call.answer_id for call in row.calls)
        yield row
    for segment in thread.segments:
        row = _reconstruct(index, loader, thread, segment=segment, proven=proven)
        if row.calls:
            if index.calls:
                index.skipped["answer without a proven request (reconstructed)"] += len(row.calls)
            yield row


class _RequestLog:
    """Rebuilds the logged requests of one conversation."""

    def __init__(self, index: SessionIndex, loader: Loader, thread: Thread) -> None:
        self._index = index
        self._loader = loader
        self._thread = thread
        self._groups = [group for segment in thread.segments for group in segment.groups]
        self._hashes: dict[str, list[str] | None] = {}
        self._candidates: dict[str, Sequence[Turn]] = {}
        self._too_large: list[str] = []

    def rows(self) -> Iterator[Row]:
        if not self._index.calls:
            return
        self._candidates = dict(self._named_messages())
        row, previous, size = None, None, 0
        for call, answer in self._answered():
            names = self._names(call)
            if names is None or call.shape not in self._index.shapes or self._extends_too_large(names):
                continue
            start = self._extension(previous, names, row)
            if row is None or start is None:
                if row:
                    yield row
                row, start, size = Row(self._thread.agent, [], []), 0, 0
            else:
                row.messages.pop()
            added = self._load(row, names[start:], MAX_HELD - size)
            if size + added > MAX_HELD:
                row, self._too_large = _without_rest(row), names
                continue
            size += added
            shape = self._index.shapes[call.shape]
            row.calls.append(
                RebuiltCall(len(names), shape, exact=True, at=call.at, answer_id=answer.turns[0].message_id)
            )
            row.messages.append(merged(self._loader, answer.turns))
            previous = names
        if row:
            yield row

    def _load(self, row: Row, names: Sequence[str], room: int) -> int:
        """Put messages behind a row until it is full; the memory that they take."""
        size = 0
        for name in names:
            row.messages.append(self._resolve(name))
            size += held(row.messages[-1])
            if size > room:
                break
        return size

    def _extends_too_large(self, names: Sequence[str]) -> bool:
        known = self._too_large
        return bool(known) and list(names[: len(known)]) == known

    def _answered(self) -> Iterator[tuple[LoggedCall, Group]]:
        answers = [group for group in self._groups if group.assistant]
        by_request = {group.turns[0].request: group for group in answers if group.turns[0].request}
        order = {uuid: number for number, uuid in enumerate(self._index.turns)}
        free = [group for group in answers if not group.turns[0].request]
        for call in self._index.calls.values():
            answer = by_request.get(call.id)
            if answer is None and free:
                answer = next((group for group in free if order[group.turns[0].uuid] >= call.line), None)
                free = [group for group in free if group is not answer]
            if answer is not None:
                yield call, answer
            elif not self._thread.agent:
                self._index.skipped["request without an answer on the active path"] += 1

    def _names(self, call: LoggedCall) -> list[str] | None:
        """The hashes of the call's messages; None when one is not in the file or on another branch."""
        chain = [call]
        while chain[-1].id not in self._hashes and chain[-1].base is not None:
            base = self._index.calls.get(chain[-1].base)
            if base is None or base in chain:
                self._hashes[chain[-1].id] = None
                break
            chain.append(base)
        for link in reversed(chain):
            if link.id not in self._hashes:
                self._hashes[link.id] = self._joined(link)
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

    def _extension(self, previous: list[str] | None, names: list[str], row: Row | None) -> int | None:
        """Where the new messages begin when this call extends the row, else None."""
        if row is None or previous is None:
            return None
        asked = len(previous)
        if len(names) <= asked or names[:asked] != previous:
            return None
        return asked if same_answer(self._resolve(names[asked]), row.messages[-1]) else None

    def _resolve(self, name: str) -> Message:
        if name in self._index.blobs:
            return self._loader.message(self._index.blobs[name])
        return merged(self._loader, self._candidates[name])

    def _named_messages(self) -> Iterator[tuple[str, Sequence[Turn]]]:
        calls: tuple[str, ...] = ()
        for group in self._groups:
            if group.assistant:
                calls = tuple(name for turn in group.turns for name in turn.tool_ids)
            users = [turn for turn in group.turns if turn.kind in ("user", "assistant")]
            results = [turn for turn in users if turn.tool_ids]
            ordered = sorted(results, key=lambda turn: _position(calls, turn))
            choices = [users] if group.assistant else [users, results, ordered, *([turn] for turn in users)]
            for turns in choices:
                if turns:
                    yield message_hash(merged(self._loader, turns)), turns


def _without_rest(row: Row) -> Row | None:
    """The row up to its last call's answer; None when it has no call."""
    if not row.calls:
        return None
    del row.messages[row.calls[-1].n_messages + 1 :]
    return row


def _position(calls: Sequence[str], turn: Turn) -> int:
    return calls.index(turn.tool_ids[0]) if turn.tool_ids[0] in calls else len(calls)


def merged(loader: Loader, turns: Sequence[Turn]) -> Message:
    """One message of several lines."""
    messages = [loader.message(turn.place) for turn in turns]
    return {
        "role": messages[0]["role"],
        "content": [block for message in messages for block in message["content"]],
    }


def same_answer(sent_back: Message, answer: Message) -> bool:
    """Whether a later request repeats this answer; names and inputs of calls may be normalised."""
    return sent_back["role"] == "assistant" and _marks(sent_back) == _marks(answer)


def _marks(message: Message) -> list[str]:
    keys = {"text": "text", "tool_use": "id"}
    blocks = (block for block in as_blocks(message["content"]) if block.get("type") in keys)
    marks = (str(block.get(keys[block["type"]])).strip() for block in blocks)
    return [mark for mark in marks if mark]


def _reconstruct(
    index: SessionIndex, loader: Loader, thread: Thread, *, segment: Segment, proven: set[str]
) -> Row:
    """The conversation as lines tell it, with a call for each answer that is not proven."""
    row = Row(thread.agent, [], [])
    wanted = {group.turns[0].message_id for group in segment.groups if group.assistant} - proven
    if not wanted:
        return row
    shape = _last_shape(index, loader, thread, segment)
    size = 0
    for group in segment.groups:
        first = group.turns[0]
        if not group.assistant:
            between = list(_between_answers(loader, group.turns))
            row.messages.extend(between)
            size += held([message["content"] for message in between])
            continue
        if size > MAX_HELD:
            index.skipped[TOO_LARGE] += len(wanted) - len(row.calls)
            return _without_rest(row) or Row(thread.agent, [], [])
        if first.message_id in wanted:
            row.calls.append(
                RebuiltCall(len(row.messages), shape, exact=False, at=first.at, answer_id=first.message_id)
            )
        row.messages.append(merged(loader, group.turns))
    return row


def _last_shape(index: SessionIndex, loader: Loader, thread: Thread, segment: Segment) -> Shape:
    if index.shapes:
        return list(index.shapes.values())[-1]
    inside = (turn for group in segment.groups for turn in group.turns)
    # The one with tools follows the first answer, so in a short session it lies behind the last turn.
    anywhere = (turn for turn in index.turns.values() if turn.agent == thread.agent)
    snapshots = [turn for turn in (*inside, *anywhere) if turn.kind == "snapshot"]
    shapes = [snapshot_shape(loader.line(turn.place)["attachment"]) for turn in snapshots]
    return max(shapes, key=lambda shape: len(shape.tools), default=Shape())


def _between_answers(loader: Loader, turns: Sequence[Turn]) -> Iterator[Message]:
    """What the harness sends between two answers: results, reminders, words, then system turns."""
    results: list[Message] = []
    words: list[list[Message]] = []
    reminders: list[list[Message]] = []
    system: list[str] = []
    for turn in turns:
        if turn.kind == "user":
            blocks = loader.message(turn.place)["content"]
            if turn.tool_ids:
                results.extend(blocks)
            else:
                words.append(blocks)
        elif turn.kind == "attachment":
            line = loader.line(turn.place)
            if line.get("renderedRole") == "system":
                system.extend(_rendered(line))
            else:
                reminders.extend([_text(item)] for item in _rendered(line))
    if results or reminders or words:
        yield {"role": "user", "content": _joined([results, *reminders, *words])}
    if system:
        yield {"role": "system", "content": [_text("\n\n".join(_unwrapped(item) for item in system))]}


def _joined(parts: Sequence[list[Message]]) -> list[Message]:
    """One list; a text gets a newline where the next part begins with text, as the harness does."""
    joined: list[Message] = []
    for part in parts:
        if joined and part and joined[-1].get("type") == part[0].get("type") == "text":
            joined[-1] = joined[-1] | {"text": f"{joined[-1].get('text')}\n"}
        joined.extend(part)
    return joined


def _rendered(line: Message) -> list[str]:
    rendered = line.get("rendered") or []
    parts = rendered if isinstance(rendered, list) else [rendered]
    texts = [part.get("content", part.get("text")) if isinstance(part, dict) else part for part in parts]
    return [text for text in texts if isinstance(text, str) and text]


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _unwrapped(text: str) -> str:
    return text.strip().removeprefix(REMINDER[0]).removesuffix(REMINDER[1])
