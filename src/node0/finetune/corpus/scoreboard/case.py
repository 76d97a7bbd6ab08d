# SPDX-License-Identifier: Apache-2.0
"""One case of a suite: a text, and what must go from it or must stay.

A template is written with marks: `{v}` is the value, and `«…»` around it is the most that may go with it.
"""

from collections.abc import Callable
from typing import NamedTuple

from node0.finetune.corpus.scoreboard.draws import Draw

OPEN, CLOSE = "«", "»"
Maker = Callable[[Draw], "Case"]
"Draws one case."


class Case(NamedTuple):
    """One text of a suite."""

    kind: str
    before: str
    "Must stay."

    region: str
    "May go as a whole; empty where nothing may."

    after: str
    "Must stay."

    value: str
    "Inside the region: no piece of it may be left. Empty for a negative."

    @property
    def text(self) -> str:
        """The whole text."""
        return f"{self.before}{self.region}{self.after}"


def case_of(kind: str, template: str, value: str, **parts: str) -> Case:
    """The case of a template; `parts` fill its other names."""
    if OPEN not in template:
        template = template.replace("{v}", f"{OPEN}{{v}}{CLOSE}")
    filled = template
    for name, part in parts.items():
        filled = filled.replace(f"{{{name}}}", part)
    before, _, rest = filled.partition(OPEN)
    region, _, after = rest.partition(CLOSE)
    return Case(kind, before, region.replace("{v}", value), after, value)


def negative(kind: str, text: str) -> Case:
    """A text in which nothing may change."""
    return Case(kind, text, "", "", "")
