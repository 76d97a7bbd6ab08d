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
from collections.abc import Iterator
from pathlib import Path

from node0.finetune.corpus.transcript.claude_code.chains import Chain, chains
from node0.finetune.corpus.transcript.claude_code.reconstruction import reconstruct
from node0.finetune.corpus.transcript.claude_code.request_log import RequestLog
from node0.finetune.corpus.transcript.claude_code.session_index import SessionIndex, index_session
from node0.finetune.corpus.transcript.session_lines import LineLoader
from node0.finetune.corpus.transcript.trajectory import Trajectory


class SessionFile:
    """One session file, indexed; a `TranscriptReader`.

    Attributes:
        skipped: What was not used, by reason; complete after `trajectories` is exhausted.
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

    def trajectories(self) -> Iterator[Trajectory]:
        """Every call with an answer, once; one trajectory at a time is held in memory.

        Exact ones come first, then reconstructed ones for answers whose request is not proven.
        """
        with LineLoader(self.path) as loader:
            for chain in chains(self._index.lines.values(), self.skipped):
                yield from _trajectories(self._index, loader, chain)
        self.skipped = +self.skipped


def _trajectories(index: SessionIndex, loader: LineLoader, chain: Chain) -> Iterator[Trajectory]:
    proven: set[str] = set()
    for logged in RequestLog(index, loader, chain).trajectories():
        proven.update(call.answer_id for call in logged.calls)
        yield logged
    for context in chain.contexts:
        made = reconstruct(index, loader, chain, context=context, proven=proven)
        if made.calls:
            if index.calls:
                index.skipped["answer without a proven request (reconstructed)"] += len(made.calls)
            yield made
