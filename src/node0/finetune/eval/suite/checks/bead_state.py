# SPDX-License-Identifier: Apache-2.0
"""Checks of the beads as a model's commands left them: one bead, new beads, the others, their graph."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.dependencies import Dependencies
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check

STORE = ".beads/store.json"
"Where `programs/bd.py` keeps beads; a model's commands may write it too."


class Wanted(BaseModel):
    """What a bead shall be; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = None
    status: str | None = None
    type: str | None = None
    priority: int | None = None
    assignee: str | None = None
    parent: str | None = None
    description: str | None = None
    acceptance: str | None = None
    notes: str | None = None
    close_reason: str | None = None
    comment: str | None = None
    labels: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None
    "Ids that block it, all of them."

    found_in: str | None = None
    "Id of the bead at whose work it was discovered."

    def difference(self, bead: dict[str, Any], comments: str) -> str | None:
        """The first difference of a bead to this; None where there is none."""
        for name in ("status", "type", "priority", "assignee", "parent"):
            wanted = getattr(self, name)
            if wanted is not None and bead[name] != wanted:
                return f"{name} is {bead[name]!r}, not {wanted!r}"
        texts = bead | {"comment": comments}
        for name in ("title", "description", "acceptance", "notes", "close_reason", "comment"):
            pattern = getattr(self, name)
            if pattern is not None and not finds(pattern, str(texts.get(name) or ""), flags=re.IGNORECASE):
                return f"{name} lacks {pattern!r}"
        if missing := set(self.labels) - set(bead["labels"]):
            return f"label {min(missing)!r} is missing"
        return self._links(bead["needs"])

    def _links(self, links: list[list[str]]) -> str | None:
        blocking = sorted(other for other, kind in links if kind == "blocks")
        if self.needs is not None and blocking != sorted(self.needs):
            return f"it waits for {blocking or 'nothing'}, not {sorted(self.needs) or 'nothing'}"
        origins = [other for other, kind in links if kind == "discovered-from"]
        if self.found_in is not None and origins != [self.found_in]:
            return f"it was discovered from {origins or 'nothing'}, not {self.found_in}"
        return None


class ABead(Check):
    """A bead that was there is now as wanted."""

    runs = True
    check: Literal["bead"]
    id: str
    now: Wanted

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Compare the bead with what is wanted."""
        kept = _kept(evidence)
        if self.id not in kept["beads"]:
            return self.failed(f"{self.id} is gone")
        difference = self.now.difference(kept["beads"][self.id], _comments(kept, self.id))
        return (
            self.failed(f"{self.id}: {difference}") if difference else self.passed(f"{self.id} as asked for")
        )


class NewBead(Check):
    """Exactly `count` new beads are as wanted."""

    runs = True
    check: Literal["new_bead"]
    is_: Wanted
    count: int = 1

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.rstrip("_"))

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Look for it among the new ones."""
        kept = _kept(evidence)
        new = _new(evidence, kept)
        told = {name: self.is_.difference(bead, _comments(kept, name)) for name, bead in new.items()}
        fitting = [name for name, difference in told.items() if difference is None]
        if len(fitting) == self.count:
            return self.passed(f"{', '.join(fitting)} as asked for")
        if len(fitting) > self.count:
            return self.failed(f"{len(fitting)} new beads fit, {self.count} was asked for")
        reason = "; ".join(f"{name}: {difference}" for name, difference in told.items() if difference)
        return self.failed(reason[:200] or "no bead was created")


class NewBeads(Check):
    """How many beads were created, and what graph they form with their dependencies."""

    runs = True
    check: Literal["new_beads"]
    least: int
    most: int
    parallelism: float = 0.0
    depth: int | None = None

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Count them, and look at the graph of those that are no epics."""
        kept = _kept(evidence)
        new = _new(evidence, kept)
        if not self.least <= len(new) <= self.most:
            return self.failed(f"{len(new)} beads were created, {self.least} to {self.most} were asked for")
        steps = {name: bead for name, bead in new.items() if bead["type"] != "epic"}
        graph = Dependencies(
            {
                name: tuple(other for other, kind in bead["needs"] if kind == "blocks" and other in steps)
                for name, bead in steps.items()
            }
        )
        reason = graph.shortcoming(parallelism=self.parallelism, depth=self.depth)
        return self.failed(reason) if reason else self.passed(f"{len(new)} beads; {graph.told}")


class OthersUntouched(Check):
    """Every bead that was there before, but these, is as it was, and no bead is new."""

    runs = True
    check: Literal["others_untouched"]
    but: tuple[str, ...] = ()
    new: bool = False
    "Whether new beads may be there."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Compare before and after."""
        kept = _kept(evidence)
        for name, before in evidence.beads.items():
            if name not in self.but and kept["beads"].get(name) != before:
                return self.failed(f"{name} was changed, and should not be")
        created = sorted(_new(evidence, kept))
        if created and not self.new:
            return self.failed(f"{created[0]} was created, and should not be")
        return self.passed("everything else is as it was")


class _Row(BaseModel):
    """A bead as `programs/bd.py` writes it, as far as checks read it."""

    model_config = ConfigDict(strict=True)

    title: str
    status: str
    type: str
    priority: int
    assignee: str
    parent: str
    labels: list[str]
    needs: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class _Comment(BaseModel):
    model_config = ConfigDict(strict=True)

    bead: str
    text: str


class _Kept(BaseModel):
    model_config = ConfigDict(strict=True)

    beads: dict[str, _Row]
    comments: list[_Comment] = Field(default_factory=list)


def _kept(evidence: Evidence) -> dict[str, Any]:
    """The store as it was left; as it was before where it is not what bd writes."""
    try:
        kept = json.loads(evidence.place.read(STORE) or "")
        _Kept.model_validate(kept)
    except (ValueError, RecursionError):  # pydantic's error is a ValueError
        return {"beads": dict(evidence.beads), "comments": []}
    return dict(kept)


def _new(evidence: Evidence, kept: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: bead for name, bead in kept["beads"].items() if name not in evidence.beads}


def _comments(kept: dict[str, Any], name: str) -> str:
    return "\n".join(each["text"] for each in kept.get("comments", []) if each["bead"] == name)
