# SPDX-License-Identifier: Apache-2.0
"""A pair that was mined from a corpus: two answers, where each was given, and what a person says of it."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import CorpusEntry, Origin
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.calls import recorded_calls

Verdict = Literal["waiting", "accepted", "swapped", "dropped"]
VERDICTS: dict[str, Verdict] = {"accept": "accepted", "swap": "swapped", "drop": "dropped"}
"What a person may do with a pair, and what it is afterwards."

TAKEN: tuple[Verdict, ...] = ("accepted", "swapped")
"Verdicts of pairs that are exported."


class MinedSide(BaseModel):
    """One answer."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    turn: int
    "Its place among the turns of the entry, as `recorded_calls` gives them."

    digest: str
    "sha256, in hex, of the turns up to it as they were when it was mined."

    answer: dict[str, Any]
    "With the names of the chosen side's session."

    successes: int
    failures: int
    "Sessions that gave this answer in this situation."


class MinedPair(BaseModel):
    """Two answers to one situation."""

    model_config = ConfigDict(frozen=True)

    id: str
    role: str
    situation: str
    "Digest of what both sessions knew."

    chosen: MinedSide
    rejected: MinedSide
    verdict: Verdict = "waiting"
    reason: str = ""
    actor: str = ""
    found_at: str
    decided_at: str | None = None


def digest_of_turns(entry: CorpusEntry, turn: int) -> str:
    """The sha256, in hex, of an entry's turns up to and with this one."""
    line = json.dumps(recorded_calls(entry, None)[0][: turn + 1], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def pair_entry(pair: MinedPair, corpus: CorpusStore) -> CorpusEntry:
    """The pair as a corpus entry, with an explicit prompt, as its verdict says.

    Raises:
        NotFound: a session that it was made of is gone, or may not be used any more.
        BadCorpus: one has changed since, or cannot be read.
    """
    entry = _unchanged(pair.chosen, corpus)
    _unchanged(pair.rejected, corpus)
    messages, calls = recorded_calls(entry, None)
    system, tools, answer = next(call for call in calls if call.answer == pair.chosen.turn)
    prompt = [{"role": "system", "content": system}] if system else []
    chosen, rejected = [pair.chosen.answer], [pair.rejected.answer]
    if pair.verdict == "swapped":
        chosen, rejected = rejected, chosen
    return entry.model_copy(
        update={
            "id": f"dpo-{pair.id}",
            "outcome": "success",
            "messages": [*prompt, *(dict(message) for message in messages[:answer])],
            "chosen": chosen,
            "rejected": rejected,
            "requests": [],
            "tools": [dict(tool) for tool in tools],
            "toolsets": {},
            "systems": {},
            "content_digest": "",
            "tokens": None,
            "origin": Origin(
                how="mined",
                entries=[pair.chosen.entry_id, pair.rejected.entry_id],
                decided_by=pair.actor,
                decided_at=pair.decided_at or "",
            ),
        }
    )


def _unchanged(side: MinedSide, corpus: CorpusStore) -> CorpusEntry:
    entry = corpus.get(side.entry_id)
    if entry.quarantined or corpus.retracted().holds(entry):
        raise NotFound(f"entry {entry.id} was retracted or waits in quarantine")
    if digest_of_turns(entry, side.turn) != side.digest:
        raise BadCorpus(f"entry {entry.id} has changed since; mine again")
    return entry
