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
    rows = [_sick_agent(dice, who) for who in agents(dice, dice.between(1, 2))]
    for who in agents(dice, dice.between(2, 3)):
        if not any(text.startswith(who) for text, _ in rows):
            rows.append((f"{who} {dice.pick(FINE)} {age(dice)}", []))
    return _check(dice, "gt agents list", rows, titles=("AGENT STATE SEEN", "agents:", "Agents of the town"))


def _sick_agent(dice: Dice, who: str) -> Row:
    if dice.chance(0.5):
        nudge = Step(f'gt nudge {who} "heartbeat stale: report status"', dice.pick(("nudged", "delivered")))
        return f"{who} {dice.pick(STALE)} {age(dice, old=True)}", [nudge]
    warrant = Step(f'gt warrant file {who} --reason "session dead"', dice.pick(("warrant filed", "filed")))
    return f"{who} {dice.pick(DEAD)} {age(dice, old=True)}", [warrant]


def _services(dice: Dice) -> list[Step]:
    rigs = dice.some(names.RIGS, dice.between(3, 4))
    rows: list[Row] = []
    for number, rig in enumerate(rigs):
        service = dice.pick(("witness", "refinery"))
        if number == 0:
            restart = Step(f"gt {service} restart {rig}", dice.pick(("started", "running")))
            rows.append((f"{rig} {service} {dice.pick(DEAD)}", [restart]))
        else:
            rows.append((f"{rig} {service} {dice.pick(('running', 'alive'))}", []))
    return _check(dice, "gt rig list", rows, titles=("RIG SERVICE STATE", "rigs:"))


def _hooks(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, bead in enumerate(beads(dice, dice.between(3, 4))):
        who = dice.pick(names.POLECATS)
        if number == 0 or (number == 1 and dice.chance(0.4)):
            release = Step(f"gt release {bead}", dice.pick(("released", "open again")))
            rows.append((f"{bead} {who} {dice.pick(('agent gone', 'no session'))}", [release]))
        else:
            rows.append((f"{bead} {who} {dice.pick(('alive', 'working'))}", []))
    return _check(dice, "gt deacon stale-hooks", rows, titles=("BEAD HOOKED BY", "hooked beads:"))


def _convoys(dice: Dice) -> list[Step]:
    convoys = dice.some(names.CONVOYS, dice.between(3, 4))
    rows: list[Row] = []
    for number, (convoy, bead) in enumerate(zip(convoys, beads(dice, 4), strict=False)):
        if number == 0 and dice.chance(0.5):
            close = Step(f'gt convoy close {convoy} --reason "all beads closed"', "closed")
            rows.append((f"{convoy} {dice.pick(('4/4 closed', 'all closed'))}", [close]))
        elif number == 0:
            sling = Step(f"gt sling {bead} {rig_of(bead)}", dice.pick(("slung", "polecat spawned")))
            rows.append((f"{convoy} {bead} {rig_of(bead)} {dice.pick(('ready', 'stranded'))}", [sling]))
        else:
            rows.append((f"{convoy} {bead} {rig_of(bead)} {dice.pick(('in progress', 'hooked'))}", []))
    return _check(dice, "gt convoy list", rows, titles=("CONVOY NEXT", "convoys:"))


def _dogs(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, dog in enumerate(dice.some(names.DOGS, dice.between(3, 4))):
        if number == 0:
            rows.append(
                (
                    f"{dog} {dice.pick(('stuck', 'hung'))} {age(dice, old=True)}",
                    [Step(f"gt dog clear {dog}", "idle")],
                )
            )
        else:
            rows.append((f"{dog} {dice.pick(('idle', 'working'))} {age(dice)}", []))
    return _check(dice, "gt dog list", rows, titles=("DOG STATE", "kennel:"))


def _plugins(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, plugin in enumerate(dice.some(names.PLUGINS, dice.between(3, 4))):
        if number == 0:
            run = Step(f"gt dog dispatch --plugin {plugin}", dice.pick(("dispatched", "a dog runs it")))
            rows.append((f"{plugin} {dice.pick(('gate open', 'due'))}", [run]))
        else:
            rows.append((f"{plugin} {dice.pick(('gate closed', 'cooling down'))} {age(dice)}", []))
    return _check(dice, "gt plugin list", rows, titles=("PLUGIN GATE", "plugins:"))


def _gates(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, gate in enumerate(dice.some(names.GATES, dice.between(3, 4))):
        if number == 0:
            close = Step(
                f'bd gate close {gate} --reason "timer elapsed"', dice.pick(("closed", "gate closed"))
            )
            rows.append((f"{gate} timer {dice.pick(('elapsed', 'expired'))}", [close]))
        else:
            rows.append((f"{gate} {dice.pick(('timer running', 'human waiting'))}", []))
    return _check(dice, "bd gate list", rows, titles=("GATE TYPE STATE", "gates:"))


def _recovered(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, bead in enumerate(beads(dice, dice.between(2, 3))):
        if number > 0:
            rows.append((f"{bead} attempt 1 {dice.pick(('cooling down', 'waiting'))}", []))
        elif dice.chance(0.5):
            again = Step(f"gt deacon redispatch {bead}", dice.pick(("slung", "redispatched")))
            rows.append(
                (f"{bead} attempt {dice.pick('12')} {dice.pick(('cooled', 'cooldown over'))}", [again])
            )
        else:
            rows.append(
                (
                    f"{bead} attempt 3 {dice.pick(('failed', 'gave up'))}",
                    [_escalate(f"{bead} failed 3 times")],
                )
            )
    return _check(dice, "gt deacon redispatch-state", rows, titles=("BEAD ATTEMPT STATE", "recovered beads:"))


def _queue(dice: Dice) -> list[Step]:
    rows: list[Row] = []
    for number, who in enumerate(agents(dice, dice.between(3, 4))):
        rig = who.split("/")[0]
        request = dice.pick(names.REQUESTS[rig])
        if number == 0:
            nudge = Step(
                f'gt nudge {who} "conflict: rebase on main and run gt done"',
                dice.pick(("nudged", "delivered")),
            )
            rows.append((f"{request} {who} {dice.pick(('conflict', 'cannot merge'))}", [nudge]))
        else:
            rows.append((f"{request} {who} {dice.pick(('queued', 'testing'))}", []))
    return _check(dice, "gt mq list --all", rows, titles=("REQUEST WORKER STATE", "merge queue:"))


def _inbox(dice: Dice) -> list[Step]:
    mails = dice.some(names.MAILS, dice.between(2, 3))
    bead = beads(dice, 1)[0]
    trouble = dice.pick(("tests cannot run", "no access to the remote", "the plan is unclear"))
    body = f"{bead} is blocked: {trouble}."
    actions = [
        Step(f"gt mail read {mails[0]}", f"from {agents(dice, 1)[0]}\n{body}"),
        _escalate(f"{bead} is blocked"),
        Step(f"gt mail archive {mails[0]}", "archived"),
    ]
    rows: list[Row] = [(f"{mails[0]} {dice.pick(('HELP', 'BLOCKED'))}", actions)]
    rows.extend((f"{mail} {dice.pick(('digest', 'note'))} read", []) for mail in mails[1:])
    return _check(dice, "gt mail inbox", rows, titles=("MAIL SUBJECT", "inbox:"))


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
