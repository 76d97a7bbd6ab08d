# SPDX-License-Identifier: Apache-2.0
"""Roll calls: documents in which names and ids come up again, so that looking back pays.

One kind repeats a list in its order; the other asks for what stood beside a state. Nothing in them
says what a role should do.
"""

from town.generator import names
from town.generator.script import Dice

STATES = names.words(
    "stalled late orphaned unclear asked new failed changed rejected unknown stale dead stuck hung due ready "
    "stranded conflict crashed idle working alive queued testing waiting running blocked digest note hooked"
)

_KINDS = (
    tuple(names.RIGS),
    tuple(agent for group in names.AGENTS.values() for agent in group),
    tuple(bead for group in names.BEADS.values() for bead in group),
    tuple(request for group in names.REQUESTS.values() for request in group),
    names.CONVOYS,
    names.MAILS,
    names.GATES,
    names.PATROLS,
    names.DOGS,
    names.PLUGINS,
    names.SYMBOLS,
    names.PATHS,
)


def roll(dice: Dice) -> str:
    """One document of roll calls."""
    return "\n".join(_echo(dice) if dice.chance(0.6) else _states(dice) for _ in range(8)) + "\n"


def _ids(dice: Dice, count: int) -> list[str]:
    """Ids of one kind, or of all kinds."""
    if dice.chance(0.5):
        return dice.some(dice.pick(_KINDS), count)
    return list(dict.fromkeys(dice.pick(dice.pick(_KINDS)) for _ in range(count)))


def _echo(dice: Dice) -> str:
    """One list, called again and again."""
    called = " ".join(_ids(dice, dice.between(2, 10)))
    return "\n".join(f"called {called}" for _ in range(dice.between(3, 6)))


def _states(dice: Dice) -> str:
    ids = _ids(dice, dice.between(3, 5))
    seen = list(zip(dice.some(STATES, len(ids)), ids, strict=True))
    rows = [f"{state} {name}" for state, name in seen]
    asked = [row for _ in range(dice.between(1, 2)) for row in dice.some(rows, len(rows))]
    return "\n".join(("seen", *rows, "again", *asked))
