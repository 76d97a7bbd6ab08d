# SPDX-License-Identifier: Apache-2.0
"""A graph of steps and what each waits for: circles, depth, and how much of it can be done side by side."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Dependencies:
    """Steps, each with those that it waits for."""

    needs: Mapping[str, tuple[str, ...]]

    @property
    def unknown(self) -> list[str]:
        """Steps that are waited for and are not there."""
        return sorted({other for each in self.needs.values() for other in each} - self.needs.keys())

    @property
    def circle(self) -> list[str]:
        """Steps that can never begin, because each waits for another of them; empty where all can."""
        left = dict(self.needs)
        while free := [name for name, needed in left.items() if not set(needed) & left.keys()]:
            for name in free:
                del left[name]
        return sorted(left)

    @property
    def depth(self) -> int:
        """Steps of the longest chain; 0 of none, and of a circle."""
        if self.circle:
            return 0
        ranks: dict[str, int] = {}
        while len(ranks) < len(self.needs):
            for name, needed in self.needs.items():
                known = [other for other in needed if other in self.needs]
                if name not in ranks and all(other in ranks for other in known):
                    ranks[name] = 1 + max((ranks[other] for other in known), default=0)
        return max(ranks.values(), default=0)

    @property
    def parallelism(self) -> float:
        """1 - (depth - 1) / (steps - 1): 0 of a chain, 1 of steps that wait for nothing."""
        steps = len(self.needs)
        return 1.0 if steps < 2 else 1 - (self.depth - 1) / (steps - 1)

    @property
    def told(self) -> str:
        """Depth and parallelism, for a reason."""
        return f"{len(self.needs)} steps, depth {self.depth}, parallelism {self.parallelism:.2f}"

    def precedes(self, first: str, then: str) -> bool:
        """Whether one step waits for the other, directly or through others."""
        seen: set[str] = set()
        waiting = list(self.needs.get(then, ()))
        while waiting:
            name = waiting.pop()
            if name == first:
                return True
            if name not in seen:
                seen.add(name)
                waiting += self.needs.get(name, ())
        return False

    def shortcoming(self, *, parallelism: float = 0.0, depth: int | None = None) -> str | None:
        """What keeps the graph from being usable, or from being as parallel and as flat as asked for."""
        if self.unknown:
            return f"{self.unknown[0]!r} is waited for and is no step"
        if self.circle:
            return f"a circle: {', '.join(self.circle)} wait for one another"
        if self.parallelism < parallelism:
            return f"parallelism {self.parallelism:.2f}, at least {parallelism:.2f} was asked for"
        if depth is not None and self.depth > depth:
            return f"the longest chain has {self.depth} steps, at most {depth} are needed"
        return None
