# SPDX-License-Identifier: Apache-2.0
"""Collect what a town's beads tell: lifecycles, sling outcomes and convoy logs, each as a short conversation.

Entries of this kind are never SFT examples unless a task type selects them; they give sessions their outcome
and quality. Ids depend on bead, worker and time only, so collecting again updates an entry that has changed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from node0.errors import NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore
from node0.finetune.corpus.town.actors import role_and_rig
from node0.finetune.corpus.town.bead_entries import (
    convoy_entry,
    convoy_log_entry,
    lifecycle_entry,
    sling_entry,
)
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.dolt_beads import read_dolt
from node0.town import DoltServer

CONVOY_ID = re.compile(r"\b[a-z][a-z0-9]*-cv-[a-z0-9]+\b")


class OperationalDataCollector:
    """Collects operational entries into one store. Every method returns them as they were stored, scrubbed.

    Args:
        store: Where entries go; default: the corpus of the town that is found.
        scrubber: Made before anything is read, so that nothing is stored when it cannot run.

    Attributes:
        did: What happened to entries: new, updated, unchanged, retracted.
        skipped: What was left out, by reason.
    """

    def __init__(self, store: CorpusStore | None = None, scrubber: CorpusScrubber | None = None) -> None:
        self._store = store or CorpusStore()
        self._scrubber = scrubber or CorpusScrubber()
        self.did: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def collect_bead_lifecycles(
        self, dolt_host: str, dolt_port: int, role: str | None = None
    ) -> list[CorpusEntry]:
        """The status changes of every bead on a Dolt server.

        Args:
            role: Only beads that this role worked on last.

        Raises:
            DoltUnavailable: the server does not answer.
        """
        return self.lifecycles(Outcomes(read_dolt(DoltServer(dolt_host, dolt_port))), role=role)

    def collect_sling_outcomes(self, dolt_host: str, dolt_port: int) -> list[CorpusEntry]:
        """How each sling on a Dolt server ended.

        Raises:
            DoltUnavailable: the server does not answer.
        """
        return self.sling_outcomes(Outcomes(read_dolt(DoltServer(dolt_host, dolt_port))))

    def collect_convoy_logs(self, logs_dir: Path) -> list[CorpusEntry]:
        """What the log files of a directory say about each convoy.

        Raises:
            NotFound: there is no such directory.
        """
        if not logs_dir.is_dir():
            raise NotFound(f"no directory {logs_dir}: name the town's logs with --logs")
        lines: dict[str, list[str]] = {}
        for path in sorted(logs_dir.glob("*.log")):
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    for name in dict.fromkeys(CONVOY_ID.findall(line)):
                        lines.setdefault(name, []).append(line.rstrip())
        return self._keep(convoy_log_entry(name, told) for name, told in sorted(lines.items()))

    def lifecycles(self, outcomes: Outcomes, *, role: str | None = None) -> list[CorpusEntry]:
        """As `collect_bead_lifecycles`, of beads that were read already."""
        return self._keep(self._lifecycles(outcomes, role))

    def sling_outcomes(self, outcomes: Outcomes, *, role: str | None = None) -> list[CorpusEntry]:
        """As `collect_sling_outcomes`, of beads that were read already."""
        found = [
            sling for slings in outcomes.slings.values() for sling in slings if role in (None, sling.role)
        ]
        self.skipped["sling that has not ended"] += sum(sling.end is None for sling in found)
        return self._keep(sling_entry(outcomes, sling) for sling in found if sling.end)

    def convoys(self, outcomes: Outcomes) -> list[CorpusEntry]:
        """The beads that each convoy leads, and what became of them."""
        convoys = (bead for bead in outcomes.beads.beads.values() if bead.type == "convoy" and bead.tracks)
        return self._keep(convoy_entry(outcomes, bead) for bead in convoys)

    def _lifecycles(self, outcomes: Outcomes, role: str | None) -> Iterator[CorpusEntry]:
        for bead in outcomes.beads.beads.values():
            worker = outcomes.worker_of(bead)
            if role not in (None, role_and_rig(worker)[0]):
                continue
            entry = lifecycle_entry(outcomes, bead, worker)
            if entry:
                yield entry
            else:
                self.skipped["bead without a status change"] += 1

    def _keep(self, entries: Iterable[CorpusEntry]) -> list[CorpusEntry]:
        scrubbed = [self._scrubber.scrub_entry(entry).entry for entry in entries]
        added = self._store.add_all(scrubbed)
        self.did.update(one.value for one in added)
        pairs = zip(scrubbed, added, strict=True)
        return [entry for entry, one in pairs if one is not Added.RETRACTED]
