# SPDX-License-Identifier: Apache-2.0
"""Patrols of a witness: it watches the polecats of one rig and never does their work.

Its checks copy every kind of id out of tables, so that a model trained on them learns to; what the
tables call for is a witness's business, not the deacon's.
"""

from collections.abc import Callable

from town.generator import names
from town.generator.script import Dice, Script, Step, age, agents, beads, table

Check = Callable[[Dice, str], list[Step]]


def patrol(dice: Dice) -> Script:
    """One round over one rig."""
    return _round(dice, n_checks=dice.between(2, 3))


def long_patrol(dice: Dice) -> Script:
    """A round with most of the checks."""
    return _round(dice, n_checks=dice.between(6, len(CHECKS)))


def _round(dice: Dice, *, n_checks: int) -> Script:
    rig = dice.pick(tuple(names.RIGS))
    checks = dice.some(CHECKS, n_checks)
    listed = "\n".join(f"{number}. {name}" for number, name in enumerate(checks, start=1))
    steps = [Step("gt patrol new", f"{dice.pick(names.PATROLS)} open\n{listed}", say=dice.pick(OPENINGS))]
    for name in checks:
        steps.extend(CHECKS[name](dice, rig))
    steps.append(Step('gt patrol report --summary "rig checked"', dice.pick(("patrol closed", "recorded"))))
    return Script("witness", rig, f"{rig}/witness", "patrol", tuple(steps), dice.pick(CLOSINGS))


def _pick_out(
    dice: Dice, look: str, ids: list[str], *, states: dict[str, tuple[str, str]], dull: tuple[str, ...]
) -> list[Step]:
    """A table of which some rows call for something.

    `states` maps what a row may show to the command it calls for (with `{}` for the id) and its reply.
    """
    bad = dice.between(1, len(ids) - 2)
    rows: list[tuple[str, Step | None]] = []
    for number, name in enumerate(ids):
        seen = f" {age(dice, old=number < bad)}" if dice.chance(0.3) else ""
        if number < bad:
            state = dice.pick(tuple(states))
            command, reply = states[state]
            rows.append((f"{state} {name}{seen}", Step(command.format(name), reply)))
        else:
            rows.append((f"{dice.pick(dull)} {name}{seen}", None))
    rows = dice.some(rows, len(rows))
    text = table(dice, [row for row, _ in rows], titles=("STATE ID", "rows:", "found:"))
    return [Step(look, text), *(step for _, step in rows if step)]


def _polecats(dice: Dice, rig: str) -> list[Step]:
    states = {
        "stalled": ('gt nudge {} "no progress: report status"', "nudged"),
        "done clean": ("gt polecat nuke {} --force", "nuked"),
        "done dirty": ('gt nudge {} "commit and push your work"', "delivered"),
        "crashed": ("gt session restart {}", "session started"),
    }
    who = agents(dice, dice.between(3, 5), rig=rig if dice.chance(0.5) else None)
    return _pick_out(dice, "gt polecat list --all", who, states=states, dull=("working", "alive"))


def _work(dice: Dice, rig: str) -> list[Step]:
    states = {
        "orphaned": ("bd update {} --status=open", "updated"),
        "unclear": ("bd show {}", dice.pick(names.TITLES)),
        "late": ('bd comment {} "late: witness asked its polecat"', "comment added"),
    }
    mixed = beads(dice, dice.between(3, 5), rig=rig if dice.chance(0.3) else None)
    return _pick_out(dice, "bd list --status=hooked", mixed, states=states, dull=("hooked", "in progress"))


def _requests(dice: Dice, rig: str) -> list[Step]:
    states = {
        "rejected": ("gt mq status {}", "tests failed"),
        "unclaimed": ("gt mq retry {}", "queued"),
    }
    ids = dice.some(names.REQUESTS[rig] if dice.chance(0.5) else _all_requests(), dice.between(3, 4))
    return _pick_out(dice, f"gt mq list {rig}", ids, states=states, dull=("queued", "testing"))


def _all_requests() -> list[str]:
    return [request for group in names.REQUESTS.values() for request in group]


def _plans(dice: Dice, rig: str) -> list[Step]:
    states = {
        "unwatched": ("gt convoy watch {}", "watching"),
        "unknown": ("gt convoy status {}", "2/4 closed"),
    }
    ids = dice.some(names.CONVOYS, dice.between(3, 4))
    return _pick_out(dice, f"gt convoy list --rig {rig}", ids, states=states, dull=("in progress", "hooked"))


def _letters(dice: Dice, rig: str) -> list[Step]:
    states = {
        "DONE": ("gt mail archive {}", "archived"),
        "HANDOFF": ("gt mail read {}", f"goes on: {beads(dice, 1)[0]}"),
    }
    ids = dice.some(names.MAILS, dice.between(3, 4))
    return _pick_out(dice, f"gt mail inbox {rig}", ids, states=states, dull=("digest", "note"))


def _kennel(dice: Dice, rig: str) -> list[Step]:
    states = {"asked": ("gt dog call {}", "called"), "new": ("gt dog status {}", "idle")}
    ids = dice.some(names.DOGS, dice.between(3, 4))
    return _pick_out(dice, f"gt dog list --rig {rig}", ids, states=states, dull=("idle", "working"))


def _receipts(dice: Dice, rig: str) -> list[Step]:
    states = {
        "failed": ("gt plugin history {}", "1 failure"),
        "changed": ("gt plugin show {}", "cooldown 6h"),
    }
    ids = dice.some(names.PLUGINS, dice.between(3, 4))
    return _pick_out(dice, f"gt plugin list --rig {rig}", ids, states=states, dull=("passed", "cooling down"))


def _waits(dice: Dice, rig: str) -> list[Step]:
    states = {
        "human asked": ("bd gate show {}", "waits for the mayor"),
        "answered": ("bd gate check {}", "resolved"),
    }
    ids = dice.some(names.GATES, dice.between(3, 4))
    return _pick_out(
        dice, f"bd gate list --rig {rig}", ids, states=states, dull=("timer running", "human waiting")
    )


def _neighbours(dice: Dice, rig: str) -> list[Step]:
    states = {"unknown": ("gt rig status {}", "parked"), "docked": ("gt rig undock {}", "undocked")}
    ids = dice.some([name for name in names.RIGS if name != rig], dice.between(3, 4))
    return _pick_out(dice, "gt rig list --short", ids, states=states, dull=("running", "alive"))


OPENINGS = ("Checking the rig.", "Patrol begins.", "")
CLOSINGS = ("Rig checked.", "Patrol done, waiting for the next signal.", "All polecats accounted for.")

CHECKS: dict[str, Check] = {
    "polecats": _polecats,
    "work": _work,
    "requests": _requests,
    "plans": _plans,
    "letters": _letters,
    "kennel": _kennel,
    "receipts": _receipts,
    "waits": _waits,
    "neighbours": _neighbours,
}
"What a patrol may check, by the name that the patrol bead gives it."
