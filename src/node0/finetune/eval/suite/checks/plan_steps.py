# SPDX-License-Identifier: Apache-2.0
"""Checks of plans: an object with `steps`, each with id, title, what it needs, and a size where asked for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.answer import object_of
from node0.finetune.eval.suite.dependencies import Dependencies
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check


class Plan(Check):
    """A plan that covers what must be done, in an order that can be followed, as parallel as it can be."""

    check: Literal["plan"]
    least: int
    most: int
    covers: dict[str, str]
    "Name to a pattern that the title of one step must match; no step counts twice."

    before: tuple[tuple[str, str], ...] = ()
    "Pairs of names: the first must come before the second, directly or through others."

    apart: tuple[tuple[str, str], ...] = ()
    "Pairs of names of which neither may wait for the other."

    parallelism: float = 0.0
    depth: int | None = None
    sizes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    "Name to the values of `size` that are right for it."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Parse the plan and look at its graph."""
        try:
            steps = _steps(object_of(evidence.answer))
        except _Unreadable as error:
            return self.failed(str(error))
        if not self.least <= len(steps) <= self.most:
            return self.failed(f"{len(steps)} steps, {self.least} to {self.most} were asked for")
        graph = Dependencies({name: tuple(step["needs"]) for name, step in steps.items()})
        reason = graph.shortcoming(parallelism=self.parallelism, depth=self.depth)
        reason = reason or self._content(steps, graph)
        return self.failed(reason) if reason else self.passed(graph.told)

    def _content(self, steps: dict[str, dict[str, Any]], graph: Dependencies) -> str | None:
        fitting = {
            name: [step for step, row in steps.items() if finds(pattern, row["title"], flags=re.IGNORECASE)]
            for name, pattern in self.covers.items()
        }
        named = _one_each(fitting)
        if missing := [name for name in self.covers if name not in named]:
            return f"no step of its own covers {missing[0]!r}"
        for first, then in self.before:
            if not graph.precedes(named[first], named[then]):
                return f"{then!r} does not wait for {first!r}"
        for one, other in self.apart:
            if graph.precedes(named[one], named[other]) or graph.precedes(named[other], named[one]):
                return f"{one!r} and {other!r} wait for one another without need"
        for name, right in self.sizes.items():
            if (size := str(steps[named[name]].get("size", ""))) not in right:
                return f"{name!r} has size {size!r}, right is {' or '.join(right)}"
        return None


def _one_each(fitting: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """As many names as possible with a step of their own, the first that fits where there is a choice.

    By augmenting paths (Kuhn's algorithm for matchings in bipartite graphs); names with little choice first.
    """
    owner: dict[str, str] = {}

    def found(name: str, tried: set[str]) -> bool:
        for step in fitting[name]:
            if step not in tried:
                tried.add(step)
                if step not in owner or found(owner[step], tried):
                    owner[step] = name
                    return True
        return False

    for name in sorted(fitting, key=lambda name: len(fitting[name])):
        found(name, set())
    return {name: step for step, name in owner.items()}


class _Unreadable(Exception):
    """What was answered is no plan."""


def _steps(given: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    if given is None or not isinstance(given.get("steps"), list):
        raise _Unreadable("the answer holds no object with a list of steps")
    found: dict[str, dict[str, Any]] = {}
    for row in given["steps"]:
        if not isinstance(row, dict) or not isinstance(row.get("title"), str) or not row.get("id"):
            raise _Unreadable("a step lacks id or title")
        needs = row.get("needs", [])
        if not isinstance(needs, list):
            raise _Unreadable(f"what step {row['id']!r} needs is no list")
        if str(row["id"]) in found:
            raise _Unreadable(f"two steps have the id {row['id']!r}")
        found[str(row["id"])] = row | {"needs": [str(each) for each in needs]}
    return found
