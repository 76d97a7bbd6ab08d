# SPDX-License-Identifier: Apache-2.0
"""`Round`: one kind of attack, what it is given, and what it tells."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Chance:
    """What a round may use."""

    seed: int
    seconds: float
    "Of wall time; a round that cannot stop in between takes a little more."

    place: Path
    "An empty directory of its own."


@dataclass(frozen=True, slots=True)
class Fall:
    """Something that gave way."""

    what: str
    "One line."

    data: bytes = b""
    "What did it, as small as it was found."


@dataclass(slots=True)
class Outcome:
    """What was tried and what fell."""

    tried: int = 0
    refused: int = 0
    "Of these, inputs that were refused in one line."

    falls: list[Fall] = field(default_factory=list)
    left_out: str = ""
    "Why the round could not be made here."


@dataclass(frozen=True, slots=True)
class Round:
    """A row of the table; `SECURITY.md` names it."""

    name: str
    what: str
    run: Callable[[Chance], Outcome]
