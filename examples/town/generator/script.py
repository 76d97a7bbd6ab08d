# SPDX-License-Identifier: Apache-2.0
"""What a generated session consists of, and the dice that shape it."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from town.generator import names

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One Bash call of the agent and what the tool showed."""

    command: str
    result: str
    say: str = ""
    "Words before the call."

    is_error: bool = False


@dataclass(frozen=True)
class Happening:
    """A line of `.events.jsonl` that belongs before step `at` of a session."""

    at: int
    type: str
    payload: dict[str, str]


@dataclass(frozen=True)
class Script:
    """One session: the prompt that opened it, its steps, and the closing words."""

    role: str
    rig: str
    "Empty for the roles of the whole town."

    actor: str
    topic: str
    steps: tuple[Step, ...]
    closing: str
    happenings: tuple[Happening, ...] = field(default=())


class Dice:
    """Seeded choices. Equal seeds give equal choices on every Python."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[int(self._rng.random() * len(options))]

    def some(self, options: Iterable[T], count: int) -> list[T]:
        """`count` different ones, in random order."""
        left = list(options)
        return [left.pop(int(self._rng.random() * len(left))) for _ in range(min(count, len(left)))]

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._rng.random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in this share of calls."""
        return self._rng.random() < share

    def signs(self, alphabet: str, count: int) -> str:
        """A random string."""
        return "".join(self.pick(alphabet) for _ in range(count))

    def uuid(self) -> str:
        """A version 4 UUID."""
        digits = self.signs("0123456789abcdef", 30)
        kind = self.pick("89ab")
        return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{kind}{digits[15:18]}-{digits[18:]}"


def age(dice: Dice, *, old: bool = False) -> str:
    """A duration as `gt` prints it."""
    return dice.pick(("41m", "47m", "52m", "2h", "3h")) if old else dice.pick(("1m", "2m", "3m", "4m", "6m"))


def agents(dice: Dice, count: int, *, rig: str | None = None) -> list[str]:
    """Different addresses of polecats, of one rig or of all."""
    groups = [names.AGENTS[rig]] if rig else list(names.AGENTS.values())
    return dice.some((agent for group in groups for agent in group), count)


def beads(dice: Dice, count: int, *, rig: str | None = None) -> list[str]:
    """Different bead ids, of one rig or of all."""
    groups = [names.BEADS[rig]] if rig else list(names.BEADS.values())
    return dice.some((bead for group in groups for bead in group), count)


def rig_of(bead: str) -> str:
    """The rig that a bead or merge request belongs to."""
    prefix = bead.split("-")[0]
    return next(rig for rig, own in names.RIGS.items() if own == prefix)


def table(dice: Dice, rows: Sequence[str], *, titles: Sequence[str]) -> str:
    """Rows below one of several headings."""
    return "\n".join((dice.pick(titles), *rows))
