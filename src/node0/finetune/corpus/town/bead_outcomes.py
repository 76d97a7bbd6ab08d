# SPDX-License-Identifier: Apache-2.0
"""How beads ended, who worked on them, and how well: derived, since bd knows neither done nor failed.

A bead's outcome, by the first rule that applies (docs/outcomes.md argues them, with figures):

    record      its type is no work: an agent, a role, a rig, a message, a gate, ...
    deferred    its status says so
    open        it is not closed
    as merged   its merge request says merged, rejected, conflict or superseded
    abandoned   the reason says duplicate, stale, superseded, noise, decided against
    failure     the reason says failed, reverted, lost
    success     the reason says what was done, or that nothing had to be
    success     closed without a reason by the refinery, which closes what it merged, or by its own worker
    unknown     closed without a reason by somebody else, or for a reason that no rule knows

A sling is the time that one worker had a bead. Its outcome is that of the closing that ended it; a bead that
was given back is abandoned, one that was taken from a worker who had begun is a failure. What a merge request
says is the outcome of the last sling too.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from node0.finetune.corpus.town.actors import role_and_rig
from node0.finetune.corpus.town.beads import Bead, Beads, Change
from node0.finetune.corpus.town.timestamps import EARLIEST

RECORDS = frozenset(
    {"agent", "role", "rig", "slot", "queue", "message", "event", "gate", "group", "channel", "decision"}
)
MERGES = {"merged": "success", "rejected": "failure", "conflict": "failure", "superseded": "abandoned"}
MERGE = "its merge request"
NO_REASON = frozenset({"", "closed", "closed."})
REASONS: tuple[tuple[str, str, str], ...] = (
    (
        "abandoned",
        "never was work",
        r"^(?:garbage|noise|pollution|--?help|help artifact|test[ /](?:noise|group)|maintenance artifact)"
        r"|^misfiled"
        r"|\bnot (?:a )?real issues?\b|\bnoise pollution\b",
    ),
    (
        "abandoned",
        "stale, duplicate or superseded",
        r"^(?:stale|duplicate|dup of|superseded|obsolete|outdated|no longer)",
    ),
    (
        "abandoned",
        "decided against",
        r"^(?:reject|wrong|won.?t ?(?:fix|do)|invalid|cancel|abandon|declin|not (?:needed|a bug|reproducible)"
        r"|cannot reproduce|accepted limitation|by design|out of scope)",
    ),
    ("failure", "says that it failed", r"^(?:fail|revert|gave up|unable)|\blost (?:findings|work)\b"),
    (
        "success",
        "nothing had to be done",
        r"^no.changes?\b|\bno code changes\b|^already\b|\b(?:tests? )?pass(?:es)? now\b",
    ),
    (
        "success",
        "says what was done",
        r"^(?:direct )?merge|^(?:fix|shipped|implement|complete|done|add|creat|remov|replac|consolidat|updat"
        r"|verif|new\b|push|deploy|resolv|refactor|document|migrat|renam|mov)"
        r"|^all \d+ .*\b(?:completed|closed|done)\b"
        r"|\b(?:merged|pushed|shipped|committed) (?:to|in|into|on) \w+|\bcommit [0-9a-f]{7,40}\b"
        r"|\bcompleted?(?: successfully)?\b|\b(?:updated|configured|initialized|created|fixed)\b",
    ),
)
"Outcome, name of the rule, pattern of the reason; the first that fits."

KNOWN = tuple((outcome, rule, re.compile(pattern, re.IGNORECASE)) for outcome, rule, pattern in REASONS)


class Derived(NamedTuple):
    """An outcome and the rule that gave it."""

    outcome: str
    rule: str


@dataclass(frozen=True)
class Sling:
    """The time that one worker had one bead."""

    bead: str
    worker: str
    by: str
    "Who gave it."

    start: datetime
    end: datetime | None
    result: Derived
    reason: str = ""

    @property
    def role(self) -> str:
        """Of the worker."""
        return role_and_rig(self.worker)[0]


class Outcomes:
    """What became of each bead of a town."""

    def __init__(self, beads: Beads) -> None:
        self.beads = beads
        self._merges = _merges(beads)
        self.slings = {bead.id: tuple(_slings(bead)) for bead in beads.beads.values()}
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
        closing = next((change for change in reversed(bead.changes) if change.kind == "closed"), None)
        slings = self.slings[bead.id]
        worker = slings[-1].worker if slings else ""
        told = bead.close_reason or (closing.reason if closing else "")
        return of_closing(told, closing.actor if closing else "", worker)

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


def of_closing(reason: str, closer: str, worker: str) -> Derived:
    """The outcome that a closing tells.

    Args:
        reason: In the words of whoever closed it.
        closer: Who that was.
        worker: Who had the bead; empty when nobody had.
    """
    words = " ".join(reason.split())
    if words.lower() in NO_REASON:
        if role_and_rig(closer)[0] == "refinery":
            return Derived("success", "closed by the refinery")
        if worker and closer == worker:
            return Derived("success", "closed by its worker")
        return Derived("unknown", "closed without a reason")
    for outcome, rule, pattern in KNOWN:
        if pattern.search(words):
            return Derived(outcome, f"the reason {rule}" if rule.startswith("says") else rule)
    return Derived("unknown", "a reason that no rule knows")


def _merges(beads: Beads) -> dict[str, str]:
    """Outcomes that merge requests give to the beads that they are for; the last one counts."""
    found = {}
    for bead in sorted(beads.beads.values(), key=lambda bead: bead.created or EARLIEST):
        fields = bead.fields()
        outcome = MERGES.get(fields.get("close_reason", "").lower())
        if outcome and "source_issue" in fields and "branch" in fields:
            found[fields["source_issue"]] = outcome
    return found


def _slings(bead: Bead) -> Iterator[Sling]:
    """A worker has a bead from `hooked` (or `in_progress`) until it is closed, given back, or another's."""
    start: Change | None = None
    worker, begun = "", False
    closing: Change | None = None
    for change in bead.changes:
        begun = begun or (start is not None and change.actor == worker)
        if change.kind == "closed":
            closing = change
        elif change.status in ("hooked", "in_progress"):
            # An answer to a closing goes on with the same work.
            given = change.assignee or worker or (change.actor if change.status == "in_progress" else "")
            if start and given != worker:
                yield _sling(bead, worker, start, closing or change, begun)
                start = None
            if given and start is None:
                start, worker, begun = change, given, False
            begun = begun or change.status == "in_progress"
            closing = None
        elif start and (change.status in ("open", "deferred") or change.assignee == ""):
            yield _sling(bead, worker, start, closing or change, begun)
            start, worker, closing = None, "", None
    if start:
        yield _sling(bead, worker, start, closing, begun)


def _sling(bead: Bead, worker: str, start: Change, end: Change | None, begun: bool) -> Sling:
    if end is None:
        result = Derived("open", f"its status is {bead.status}")
    elif end.kind == "closed":
        result = of_closing(end.reason, end.actor, worker)
    elif end.status == "deferred":
        result = Derived("deferred", "its status")
    elif end.actor == worker:
        result = Derived("abandoned", "given back by its worker")
    else:
        result = Derived("failure" if begun else "abandoned", "taken back" if begun else "taken back unbegun")
    reason = end.reason if end and end.kind == "closed" else ""
    return Sling(bead.id, worker, start.actor, start.at, end.at if end else None, result, reason)


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
