# SPDX-License-Identifier: Apache-2.0
"""Sessions of polecats: take the hooked bead, find the place, change it, test, commit, hand in.

| what is shown                      | what the polecat does                              |
|------------------------------------|----------------------------------------------------|
| a hooked bead                      | claims it at once and searches for its symbol      |
| nothing found                      | closes the bead as no-changes, runs gt done        |
| a failing test                     | reads the failing file again, edits, tests again   |
| a conflict on rebase               | resolves the named file, continues                 |
| a bead that depends on an open one | defers                                             |
"""

from town.generator import names
from town.generator.script import Dice, Happening, Script, Step, beads


def work(dice: Dice) -> Script:
    """One session of one or two beads."""
    rig = dice.pick(tuple(names.RIGS))
    name = dice.pick(names.AGENTS[rig]).split("/")[1]
    wanted = beads(dice, 2 if dice.chance(0.15) else 1, rig=rig)
    steps: list[Step] = []
    happenings: list[Happening] = []
    for bead in wanted:
        happenings.append(Happening(len(steps), "sling", {"bead": bead, "target": f"{rig}/polecats/{name}"}))
        happenings.append(Happening(len(steps), "hook", {"bead": bead}))
        steps.extend(_bead(dice, bead, name))
        happenings.append(Happening(len(steps), "done", {"bead": bead, "branch": f"polecat/{name}"}))
    actor = f"{rig}/polecats/{name}"
    closing = dice.pick(("Handed in.", "Work submitted.", "Done."))
    return Script("polecat", rig, actor, f"assigned:{wanted[0]}", tuple(steps), closing, tuple(happenings))


def _bead(dice: Dice, bead: str, name: str) -> list[Step]:
    symbol = dice.pick(names.SYMBOLS)
    title = dice.pick(names.TITLES)
    steps = [
        Step(
            "gt hook",
            f"{dice.pick(('hooked:', 'Your hook:'))} {bead}",
            say=dice.pick(("Checking the hook.", "")),
        ),
        Step(f"bd show {bead}", f"{title}\nin {symbol}\n{_dependency(dice)}"),
        Step(f"bd update {bead} --status=in_progress", dice.pick(("updated", "in progress"))),
    ]
    if dice.chance(0.12):
        return [*steps, *_nothing_to_do(bead, symbol)]
    path = dice.pick(names.PATHS)
    return [*steps, *_change(dice, bead, symbol, path), *_hand_in(dice, bead, path, name)]


def _dependency(dice: Dice) -> str:
    return dice.pick(("needs nothing", f"after {beads(dice, 1)[0]} closed", "priority 2"))


def _nothing_to_do(bead: str, symbol: str) -> list[Step]:
    return [
        Step(f"rg -n {symbol} src", "no matches"),
        Step(f'bd close {bead} --reason="no-changes: already fixed"', "closed"),
        Step("gt done", "idle"),
    ]


def _change(dice: Dice, bead: str, symbol: str, path: str) -> list[Step]:
    line = dice.between(2, 9) * 10
    others = dice.some((other for other in names.PATHS if other != path), dice.between(1, 2))
    found = dice.some(
        [f"{path}:{line}:def {symbol}", *(f"{other}:10:import {symbol}" for other in others)], 3
    )
    steps = [
        Step(f"rg -n {symbol} src", "\n".join(found)),
        Step(f"sed -n 1,80p {path}", f"def {symbol}(value):\n    return value"),
        Step(f"git apply {bead}.patch", "applied"),
    ]
    if dice.chance(0.4):
        second = dice.pick(others)
        steps += [
            Step(
                "python -m pytest -q",
                f"FAILED {second} {dice.pick(('AssertionError', 'ValueError'))}",
                is_error=True,
            ),
            Step(f"sed -n 1,80p {second}", f"import {symbol}"),
            Step(f"git add {second}", "(no output)"),
        ]
    return [*steps, Step("python -m pytest -q", dice.pick(("12 passed", "all passed")))]


def _hand_in(dice: Dice, bead: str, path: str, name: str) -> list[Step]:
    steps = [
        Step("git status --short", f"M {path}"),
        Step(f"git add {path}", "(no output)"),
        Step(
            f'git commit -m "fix {bead}"', dice.pick(("1 file changed", f"[polecat/{name}] 1 file changed"))
        ),
    ]
    if dice.chance(0.4):
        clash = dice.pick(names.PATHS)
        steps += [
            Step("git rebase origin/main", f"CONFLICT in {clash}", is_error=True),
            Step(f"git checkout --theirs {clash}", "updated 1 path"),
            Step(f"git add {clash}", "(no output)"),
            Step("git rebase --continue", "rebased"),
        ]
    else:
        steps.append(Step("git rebase origin/main", "up to date"))
    if dice.chance(0.3):
        steps += _discovery(dice)
    return [*steps, Step("git push origin HEAD", "pushed"), Step("gt done", dice.pick(("submitted", "idle")))]


def _discovery(dice: Dice) -> list[Step]:
    """A problem that was there before: a new bead, made dependent on an old one."""
    old, new = beads(dice, 2)
    return [
        Step(f'bd create --title "{dice.pick(names.TITLES)}"', f"created {new}"),
        Step("bd list --status=open", f"{old} open"),
        Step(f"bd dep add {new} {old}", "added"),
    ]
