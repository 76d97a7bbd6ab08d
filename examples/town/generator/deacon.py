# SPDX-License-Identifier: Apache-2.0
"""Patrols of the deacon: checks of the whole town, each followed by what its table calls for.

| the check shows                     | the deacon does                                     |
|-------------------------------------|-----------------------------------------------------|
| an agent with a stale heartbeat     | nudges it                                           |
| a polecat whose session is dead     | files a warrant; the session is never killed by hand |
| a dead witness or refinery          | restarts it                                         |
| a hook whose agent is gone          | releases the bead                                   |
| a convoy with a ready, idle bead    | slings the bead to its rig                          |
| a convoy with every bead closed     | closes the convoy                                   |
| a stuck dog                         | clears the dog                                      |
| a plugin whose gate is open         | dispatches a dog                                    |
| a timer gate that has elapsed       | closes the gate                                     |
| a recovered bead, cooled down       | redispatches it                                     |
| a recovered bead that failed thrice | escalates                                           |
| a merge request in conflict         | tells its polecat to rebase                         |
| a call for help in the inbox        | reads it, escalates its bead, archives it           |
"""

from collections.abc import Callable

from town.generator import names
from town.generator.script import Dice, Script, Step, age, agents, beads, rig_of, table

STALE = ("stale", "no heartbeat", "heartbeat lost")
DEAD = ("dead", "session gone", "not running")
FINE = ("working", "alive", "idle")

Row = tuple[str, list[Step]]
"A line of a table and what it calls for."


def patrol(dice: Dice) -> Script:
    """One round: a few of the checks, in the order the patrol bead lists them."""
    checks = dice.some(CHECKS, dice.between(2, 3))
    listed = "\n".join(f"{number}. {name}" for number, name in enumerate(checks, start=1))
    steps = [Step("gt patrol new", f"{dice.pick(names.PATROLS)} open\n{listed}", say=dice.pick(OPENINGS))]
    for name in checks:
        steps.extend(CHECKS[name](dice))
    steps.append(
        Step('gt patrol report --summary "round complete"', dice.pick(("patrol closed", "recorded")))
    )
    return Script("deacon", "", "deacon", "patrol", tuple(steps), dice.pick(CLOSINGS))


def _check(dice: Dice, command: str, rows: list[Row], *, titles: tuple[str, ...]) -> list[Step]:
    """The check, then every action in the order of the rows."""
    shuffled = dice.some(rows, len(rows))
    look = Step(command, table(dice, [text for text, _ in shuffled], titles=titles))
    return [look, *(step for _, actions in shuffled for step in actions)]


def _agents(dice: Dice) -> list[Step]:
    sick = dice.between(1, 2)
    everyone = agents(dice, sick + dice.between(2, 3))
    rows = [_sick_agent(dice, who) for who in everyone[:sick]]
    rows += [(f"{dice.pick(FINE)} {who} {age(dice)}", []) for who in everyone[sick:]]
    return _check(dice, "gt agents list", rows, titles=("STATE AGENT SEEN", "agents:", "Agents of the town"))


def _sick_agent(dice: Dice, who: str) -> Row:
    if dice.chance(0.5):
        nudge = Step(f'gt nudge {who} "heartbeat stale: report status"', dice.pick(("nudged", "delivered")))
        return f"{dice.pick(STALE)} {who} {age(dice, old=True)}", [nudge]
    warrant = Step(f'gt warrant file {who} --reason "session dead"', dice.pick(("warrant filed", "filed")))
    return f"{dice.pick(DEAD)} {who} {age(dice, old=True)}", [warrant]


def _services(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.RIGS, dice.between(3, 4))
    service = dice.pick(("witness", "refinery"))
    restart = Step(f"gt {service} restart {first}", dice.pick(("started", "running")))
    rows: list[Row] = [(f"{dice.pick(DEAD)} {first} {service}", [restart])]
    for rig in others:
        rows.append((f"{dice.pick(('running', 'alive'))} {rig} {dice.pick(('witness', 'refinery'))}", []))
    return _check(dice, "gt rig list", rows, titles=("STATE RIG SERVICE", "rigs:"))


def _hooks(dice: Dice) -> list[Step]:
    gone = dice.between(1, 2)
    hooked = beads(dice, gone + 2)
    rows: list[Row] = []
    for number, (bead, who) in enumerate(zip(hooked, agents(dice, len(hooked)), strict=True)):
        if number < gone:
            release = Step(f"gt release {bead}", dice.pick(("released", "open again")))
            rows.append((f"{dice.pick(('agent gone', 'no session'))} {bead} {who}", [release]))
        else:
            rows.append((f"{dice.pick(('alive', 'working'))} {bead} {who}", []))
    return _check(dice, "gt deacon stale-hooks", rows, titles=("STATE BEAD AGENT", "hooked beads:"))


def _convoys(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.CONVOYS, dice.between(3, 4))
    bead, *going = beads(dice, 4)
    rows: list[Row] = []
    if dice.chance(0.5):
        close = Step(f'gt convoy close {first} --reason "all beads closed"', "closed")
        rows.append((f"{dice.pick(('4/4 closed', 'all closed'))} {first}", [close]))
    else:
        sling = Step(f"gt sling {bead} {rig_of(bead)}", dice.pick(("slung", "polecat spawned")))
        rows.append((f"{dice.pick(('ready', 'stranded'))} {bead} {rig_of(bead)} {first}", [sling]))
    for convoy, other in zip(others, going, strict=False):
        rows.append((f"{dice.pick(('in progress', 'hooked'))} {other} {rig_of(other)} {convoy}", []))
    return _check(dice, "gt convoy list", rows, titles=("NEXT CONVOY", "convoys:"))


def _dogs(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.DOGS, dice.between(3, 4))
    rows: list[Row] = [(f"{dice.pick(('stuck', 'hung'))} {first}", [Step(f"gt dog clear {first}", "idle")])]
    rows += [(f"{dice.pick(('idle', 'working'))} {dog}", []) for dog in others]
    return _check(dice, "gt dog list", rows, titles=("STATE DOG", "kennel:"))


def _plugins(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.PLUGINS, dice.between(3, 4))
    run = Step(f"gt dog dispatch --plugin {first}", dice.pick(("dispatched", "a dog runs it")))
    rows: list[Row] = [(f"{dice.pick(('gate open', 'due'))} {first}", [run])]
    rows += [(f"{dice.pick(('gate closed', 'cooling down'))} {plugin}", []) for plugin in others]
    return _check(dice, "gt plugin list", rows, titles=("GATE PLUGIN", "plugins:"))


def _gates(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.GATES, dice.between(3, 4))
    close = Step(f'bd gate close {first} --reason "timer elapsed"', dice.pick(("closed", "gate closed")))
    rows: list[Row] = [(f"{dice.pick(('timer elapsed', 'timer expired'))} {first}", [close])]
    rows += [(f"{dice.pick(('timer running', 'human waiting'))} {gate}", []) for gate in others]
    return _check(dice, "bd gate list", rows, titles=("STATE GATE", "gates:"))


def _recovered(dice: Dice) -> list[Step]:
    first, *others = beads(dice, dice.between(3, 4))
    if dice.chance(0.5):
        again = Step(f"gt deacon redispatch {first}", dice.pick(("slung", "redispatched")))
        rows: list[Row] = [
            (f"attempt {dice.pick('12')} {dice.pick(('cooled', 'cooldown over'))} {first}", [again])
        ]
    else:
        rows = [
            (f"attempt 3 {dice.pick(('failed', 'gave up'))} {first}", [_escalate(f"failed 3 times: {first}")])
        ]
    rows += [(f"attempt 1 {dice.pick(('cooling down', 'waiting'))} {bead}", []) for bead in others]
    return _check(dice, "gt deacon redispatch-state", rows, titles=("STATE BEAD", "recovered beads:"))


def _queue(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, who in enumerate(agents(dice, dice.between(3, 4))):
        request = dice.pick(names.REQUESTS[who.split("/")[0]])
        if number == 0:
            words = "conflict: rebase on main and run gt done"
            nudge = Step(f'gt nudge {who} "{words}"', dice.pick(("nudged", "delivered")))
            rows.append((f"{dice.pick(('conflict', 'cannot merge'))} {who} {request}", [nudge]))
        else:
            rows.append((f"{dice.pick(('queued', 'testing'))} {who} {request}", []))
    return _check(dice, "gt mq list --all", rows, titles=("STATE WORKER REQUEST", "merge queue:"))


def _inbox(dice: Dice) -> list[Step]:
    first, *others = dice.some(names.MAILS, dice.between(2, 3))
    bead = beads(dice, 1)[0]
    trouble = dice.pick(("tests cannot run", "no access to the remote", "the plan is unclear"))
    actions = [
        Step(f"gt mail read {first}", f"from {agents(dice, 1)[0]}\nblocked {bead}: {trouble}"),
        _escalate(f"blocked: {bead}"),
        Step(f"gt mail archive {first}", "archived"),
    ]
    rows: list[Row] = [(f"{dice.pick(('HELP', 'BLOCKED'))} {first}", actions)]
    rows += [(f"{dice.pick(('digest', 'note'))} {mail}", []) for mail in others]
    return _check(dice, "gt mail inbox", rows, titles=("SUBJECT MAIL", "inbox:"))


def _escalate(what: str) -> Step:
    return Step(f'gt escalate "{what}" -s HIGH', "escalated")


OPENINGS = ("Starting the round.", "Patrol begins.", "")
CLOSINGS = ("Round complete.", "Patrol done, waiting for the next signal.", "All checks done.")

CHECKS: dict[str, Callable[[Dice], list[Step]]] = {
    "agents": _agents,
    "services": _services,
    "hooks": _hooks,
    "convoys": _convoys,
    "dogs": _dogs,
    "plugins": _plugins,
    "gates": _gates,
    "recovered": _recovered,
    "queue": _queue,
    "inbox": _inbox,
}
"What a patrol may check, by the name that the patrol bead gives it."
