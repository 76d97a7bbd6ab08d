# SPDX-License-Identifier: Apache-2.0
"""Derive outcomes of beads: how each ended, who worked on it, and how well.

A bead's outcome, by the first rule that applies (docs/outcomes.md argues them, with figures):

    record      its type is no work: an agent, a role, a rig, a message, a gate, ...
    deferred    its status says so
    open        it is not closed
    as merged   its merge request says merged, rejected, conflict or superseded
    abandoned   another bead stands in its place (`bd duplicate`, `bd supersede`), and no reason was given
    abandoned   the reason says duplicate, stale, superseded, noise, decided against
    failure     the reason says failed, reverted, lost
    success     the reason says what was done, or that nothing had to be
    success     closed without a reason by the refinery, which closes what it merged, or by its own worker
    unknown     closed without a reason by somebody else, or for a reason that no rule knows

What a merge request says is the outcome of the bead's last sling too.
"""

import dataclasses
import re
from collections.abc import Sequence

from node0.finetune.corpus.town.actors import role_and_rig
from node0.finetune.corpus.town.beads import Bead, Beads
from node0.finetune.corpus.town.closings import Derived, of_closing
from node0.finetune.corpus.town.slings import Sling, slings_of
from node0.finetune.corpus.town.timestamps import EARLIEST

RECORDS = frozenset(
    {"agent", "role", "rig", "slot", "queue", "message", "event", "gate", "group", "channel", "decision"}
)
MERGES = {"merged": "success", "rejected": "failure", "conflict": "failure", "superseded": "abandoned"}
MERGE = "its merge request"


class Outcomes:
    """What became of each bead of a town."""

    def __init__(self, beads: Beads) -> None:
        self.beads = beads
        self._merges = _merges(beads)
        self.slings = {bead.id: tuple(slings_of(bead)) for bead in beads.beads.values()}
        self.of = {bead.id: self._derive(bead) for bead in beads.beads.values()}
        for name in self._merges.keys() & self.slings.keys():
            self.slings[name] = self._with_merge(name)
        self.quality = self._qualities()

    def _with_merge(self, name: str) -> tuple[Sling, ...]:
        """A bead's slings, the last of which ended as its merge request did."""
        slings = self.slings[name]
        if not slings or slings[-1].end is None or self.of[name].rule != MERGE:
            return slings
        return (*slings[:-1], dataclasses.replace(slings[-1], result=self.of[name]))

    def recall(self, sling: Sling, quality: float | None) -> None:
        """Take up what was told of a sling: its bead, or the merge request that judged it, may be gone."""
        name = sling.bead
        if name not in self.beads.beads:
            self.slings[name] = tuple(sorted((*self.slings.get(name, ()), sling), key=lambda one: one.start))
            self.of[name] = self.slings[name][-1].result
        elif sling.result.rule == MERGE and self.of[name].rule != MERGE:
            told = (sling.worker, sling.start, sling.end)
            self.slings[name] = tuple(
                sling if (one.worker, one.start, one.end) == told else one for one in self.slings[name]
            )
        if quality is not None:
            self.quality.setdefault(name, quality)

    def worker_of(self, bead: Bead) -> str:
        """Who had the bead last; empty when nobody had."""
        slings = self.slings[bead.id]
        return slings[-1].worker if slings else bead.assignee

    def _derive(self, bead: Bead) -> Derived:
        if bead.type in RECORDS:
            return Derived("record", f"a bead of type {bead.type} is no work")
        if bead.status == "deferred":
            return Derived("deferred", "its status")
        if bead.status != "closed":
            return Derived("open", f"its status is {bead.status}")
        own = bead.fields() if bead.type == "merge-request" else {}
        merge = MERGES.get(own.get("close_reason", "").lower()) or self._merges.get(bead.id)
        if merge:
            return Derived(merge, MERGE)
        closing = bead.last_closing()
        slings = self.slings[bead.id]
        worker = slings[-1].worker if slings else ""
        told = bead.close_reason or (closing.reason if closing else "")
        return of_closing(told, closing.actor if closing else "", worker, replaced=bead.replaced)

    def _qualities(self) -> dict[str, float]:
        """From 0 to 1: a person's label, else the refinery's review, else bd's own column."""
        found = {bead.id: bead.score for bead in self.beads.beads.values() if bead.score is not None}
        ended = [sling for slings in self.slings.values() for sling in slings if sling.end]
        for bead in sorted(self.beads.beads.values(), key=lambda bead: bead.created or EARLIEST):
            review = _review(bead)
            if review:
                worker, rig, score = review
                found |= dict.fromkeys(_reviewed(bead, worker, rig, ended), score)
        return found | {name: float(good) for name, good in self.beads.labelled.items()}


def _merges(beads: Beads) -> dict[str, str]:
    """Outcomes that merge requests give to the beads that they are for; the last one counts."""
    found = {}
    for bead in sorted(beads.beads.values(), key=lambda bead: bead.created or EARLIEST):
        fields = bead.fields()
        outcome = MERGES.get(fields.get("close_reason", "").lower())
        if outcome and "source_issue" in fields and "branch" in fields:
            found[fields["source_issue"]] = outcome
    return found


def _review(bead: Bead) -> tuple[str, str, float] | None:
    """Worker, rig and score of the refinery's quality review, None for any other bead."""
    pairs = dict(label.split(":", 1) for label in bead.labels if ":" in label)
    if "plugin:quality-review-result" not in bead.labels or "worker" not in pairs:
        return None
    try:
        score = float(pairs.get("score", ""))
    except ValueError:
        return None
    return (pairs["worker"].rsplit("/", 1)[-1], pairs.get("rig", ""), score) if 0 <= score <= 1 else None


def _reviewed(review: Bead, worker: str, rig: str, ended: Sequence[Sling]) -> list[str]:
    """The bead that a review is about: one that it names, else the last that its worker had ended."""
    words = set(re.findall(r"[\w.-]+", f"{review.title} {review.description}"))
    named = [sling.bead for sling in ended if sling.bead in words]
    if named:
        return named[-1:]
    before = [
        sling
        for sling in ended
        if sling.worker.rsplit("/", 1)[-1] == worker
        and rig in ("", role_and_rig(sling.worker)[1])
        and (review.created is None or (sling.end or EARLIEST) <= review.created)
    ]
    return [max(before, key=lambda sling: sling.end or EARLIEST).bead] if before else []
