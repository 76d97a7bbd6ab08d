# SPDX-License-Identifier: Apache-2.0
"""Make corpus entries: one for each bead window of a trajectory, or of a terminal capture.

An entry holds the whole context of its calls: the messages from the beginning of the conversation (or of
the last compaction) to the window's last answer. `requests` names only the window's own calls, so each
answer is supervised in one entry.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from node0.errors import BadCorpus
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall, Source
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.town.timestamps import timestamp_of
from node0.finetune.corpus.town.window_outcomes import transcript_outcome
from node0.finetune.corpus.transcript.capture_turns import capture_turns
from node0.finetune.corpus.transcript.messages_form import (
    Rebased,
    messages_form,
    offered_tools,
    plain,
    system_text,
)
from node0.finetune.corpus.transcript.trajectory import RebuiltCall, Trajectory
from node0.finetune.corpus.transcript.wire_messages import WireMessage

MOST_MODELS = 3
"Names of models that an entry keeps."


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
        messages = capture_turns(transcript)
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

    def format_trajectory(
        self,
        trajectory: Trajectory,
        session: Session,
        skipped: Counter[str],
        *,
        source: Source = "claude-code",
    ) -> Iterator[CorpusEntry]:
        """The unscrubbed entries of a trajectory, one for each bead window with calls.

        Args:
            skipped: Takes the count of answers that hold nothing to learn.
            source: The harness that recorded it.
        """
        rebased = messages_form(trajectory.messages)
        for window in session.windows:
            calls = [call for call in trajectory.calls if session.window_at(call.at) is window]
            requests, systems, toolsets = _requests(calls, trajectory.messages, rebased, source, skipped)
            if not requests:
                continue
            messages = rebased.messages[: requests[-1].n_messages + 1]
            yield CorpusEntry(
                id=_short_hash(
                    window.bead_id or "", session.session_id, trajectory.agent, calls[0].answer_id
                ),
                role=session.role,
                rig=session.rig,
                task_type="subagent" if trajectory.agent else window.task_type,
                outcome=window.outcome or _told_outcome(rebased.messages, requests, window.bead_id),
                created_at=plain(calls[0].at or session.started),
                messages=messages,
                bead_id=window.bead_id,
                source=source,
                session_id=plain(session.session_id),
                answered_by=_answered_by(calls),
                systems=systems,
                toolsets=toolsets,
                requests=requests,
                quality=window.quality,
            )


def _answered_by(calls: Sequence[RebuiltCall]) -> str | None:
    """The models of these calls; of many the first few, since several say already that it was not one."""
    return " ".join(list(dict.fromkeys(call.model for call in calls if call.model))[:MOST_MODELS]) or None


def _told_outcome(
    messages: Sequence[dict[str, Any]], requests: Sequence[RecordedCall], bead_id: str | None
) -> str:
    first, last = requests[0].n_messages, requests[-1].n_messages
    # The message after the last answer tells whether its calls failed.
    return transcript_outcome(messages[first : last + 2], messages[last], bead_id=bead_id)


def _requests(
    calls: Sequence[RebuiltCall],
    wire: Sequence[WireMessage],
    rebased: Rebased,
    source: Source,
    skipped: Counter[str],
) -> tuple[list[RecordedCall], dict[str, str], dict[str, list[dict[str, Any]]]]:
    requests: list[RecordedCall] = []
    systems: dict[str, str] = {}
    toolsets: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        at = rebased.index[call.n_messages]
        if rebased.index[call.n_messages + 1] == at:
            skipped["answer without words or calls"] += 1
            continue
        text = system_text(call.shape)
        tools = offered_tools(call.shape, wire[: call.n_messages])
        system_key, tools_key = _short_hash(text), _short_hash(repr(tools))
        systems[system_key], toolsets[tools_key] = plain(text), tools
        answered = timestamp_of(call.at)
        requests.append(
            RecordedCall(
                n_messages=at,
                system=system_key,
                tools=tools_key,
                exact=call.exact,
                answer=_short_hash(source, call.lasting_id) if call.lasting_id else "",
                at=answered.isoformat() if answered else "",
            )
        )
    return requests, systems, toolsets


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
