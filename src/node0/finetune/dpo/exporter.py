# SPDX-License-Identifier: Apache-2.0
"""`DPOExporter`: preferences of persons as corpus entries: an explicit prompt and two answers to it.

They come of comparisons of two versions, and of mined pairs that were accepted.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from node0.errors import BadCorpus, NotFound
from node0.files import write_atomically
from node0.finetune.corpus.schema import CorpusEntry, Origin
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.dpo.mined_log import MinedLog
from node0.finetune.dpo.mined_pair import TAKEN, pair_entry
from node0.finetune.dpo.preference_log import SIDES, Preference, PreferenceLog
from node0.store.transactions import Store

logger = logging.getLogger(__name__)

Messages = Sequence[dict[str, Any]]


class DPOExporter:
    """Reads comparisons and mined pairs of one store.

    Args:
        store: where they are kept.
        corpus: of the sessions that pairs were mined from; without one there are no mined pairs.
    """

    def __init__(self, store: Store, corpus: CorpusStore | None = None) -> None:
        self._log, self._mined, self._corpus = PreferenceLog(store), MinedLog(store), corpus

    def export_pairs(self, role: str, output_path: Path) -> int:
        """Write the pairs of a role, an entry a line, for `node0 corpus add`; how many.

        What cannot be a pair is told in the log: a side without a transcript, two that begin alike and
        where one goes no further, or a mined pair whose sessions are gone or have changed.
        """
        entries = list(self.pairs(role))
        write_atomically(output_path, "".join(f"{entry.model_dump_json()}\n" for entry in entries))
        return len(entries)

    def pairs(self, role: str) -> Iterator[CorpusEntry]:
        """The pairs of a role: those of comparisons, then mined ones that were accepted; oldest first."""
        for preference in self._log.list(role=role):
            if preference.winner is not None and (pair := self._pair(preference)) is not None:
                yield pair
        if self._corpus is not None:
            yield from self._accepted(role, self._corpus)

    def unpaired(self, role: str) -> Iterator[dict[str, Any]]:
        """Each transcript of a decided comparison by itself, in TRL's unpaired preference form.

        A row has `prompt`, `completion` and `label`, true for what was preferred
        (https://huggingface.co/docs/trl/dataset_formats#unpaired-preference).
        """
        for preference in self._log.list(role=role):
            for side in SIDES if preference.winner is not None else ():
                entry = self._log.transcript(preference, side)
                if entry is not None and (cut := _first_answer(entry.messages)) is not None:
                    yield {
                        "prompt": [*_system(entry), *entry.messages[:cut]],
                        "completion": entry.messages[cut:],
                        "label": side == preference.winner,
                    }

    def _accepted(self, role: str, corpus: CorpusStore) -> Iterator[CorpusEntry]:
        for pair in self._mined.list(role=role, verdicts=TAKEN):
            try:
                yield pair_entry(pair, corpus)
            except (NotFound, BadCorpus) as error:
                logger.warning("%s: %s; left out", pair.id, error)

    def _pair(self, preference: Preference) -> CorpusEntry | None:
        sides = {side: self._log.transcript(preference, side) for side in SIDES}
        winner = preference.winner or "a"
        chosen, rejected = sides[winner], sides["b" if winner == "a" else "a"]
        if chosen is None or rejected is None:
            missing = "/".join(side for side, entry in sides.items() if entry is None)
            logger.warning("%s: side %s has no transcript; left out", preference.task_bead_id, missing)
            return None
        shared = _shared(chosen.messages, rejected.messages)
        if not (chosen.messages[shared:] and rejected.messages[shared:]):
            logger.warning("%s: one side is where the other begins; left out", preference.task_bead_id)
            return None
        name = f"{preference.id}\n{preference.chosen_branch}"
        return chosen.model_copy(
            update={
                "id": f"dpo-{hashlib.sha256(name.encode()).hexdigest()[:16]}",
                "bead_id": preference.task_bead_id,
                "outcome": "success",
                "messages": [*_system(chosen), *chosen.messages[:shared]],
                "chosen": chosen.messages[shared:],
                "rejected": rejected.messages[shared:],
                # Calls are recorded of one conversation; a pair is two.
                "requests": [],
                "tools": _tools(chosen),
                "toolsets": {},
                "systems": {},
                "content_digest": "",
                "tokens": None,
                "origin": Origin(
                    how="compared",
                    entries=[chosen.id, rejected.id],
                    decided_by=preference.actor,
                    decided_at=preference.decided_at or "",
                ),
            }
        )


def _shared(first: Messages, second: Messages) -> int:
    """How many messages both begin with: the prompt."""
    alike = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        alike += 1
    return alike


def _first_answer(messages: Messages) -> int | None:
    return next((at for at, message in enumerate(messages) if message["role"] == "assistant"), None)


def _system(entry: CorpusEntry) -> list[dict[str, Any]]:
    """The system turn of its first recorded call; without one it stands in the messages."""
    text = entry.systems.get(entry.requests[0].system, "") if entry.requests else ""
    return [{"role": "system", "content": text}] if text else []


def _tools(entry: CorpusEntry) -> list[dict[str, Any]]:
    """The tools of its first recorded call, or of the entry."""
    if entry.requests:
        return entry.toolsets.get(entry.requests[0].tools, [])
    return entry.tools
