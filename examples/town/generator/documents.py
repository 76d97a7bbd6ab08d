# SPDX-License-Identifier: Apache-2.0
"""The town's documents: instructions, a page for every command, formulas and directives."""

from town.generator import names

COMMANDS: dict[str, dict[str, str]] = {
    "gt": {
        "gt hook": "shows the bead on your hook",
        "gt done": "hands in the work of a polecat and ends its assignment",
        "gt mail inbox": "shows your mail",
        "gt mail read <mail>": "shows one mail",
        "gt mail archive <mail>": "puts a mail away",
        "gt patrol new": "opens a patrol and lists its checks",
        'gt patrol report --summary "<text>"': "closes the patrol",
        "gt agents list": "shows every agent, its state and when its heartbeat was seen",
        'gt nudge <rig>/<polecat> "<message>"': "wakes an agent with a message",
        'gt warrant file <rig>/<polecat> --reason "<text>"': "asks for a session to be ended",
        "gt rig list": "shows the witness and the refinery of every rig",
        "gt rig status <rig>": "shows one rig",
        "gt rig undock <rig>": "brings a docked rig back",
        "gt witness restart <rig>": "starts the witness of a rig again",
        "gt refinery restart <rig>": "starts the refinery of a rig again",
        "gt session restart <rig>/<polecat>": "starts the session of a polecat again",
        "gt polecat list --all": "shows the polecats, their state and their last sign",
        "gt polecat nuke <rig>/<polecat> --force": "removes a polecat whose work is handed in",
        "gt deacon stale-hooks": "shows hooked beads and whether their agents live",
        "gt deacon redispatch-state": "shows recovered beads and their attempts",
        "gt deacon redispatch <bead>": "slings a recovered bead again",
        "gt release <bead>": "takes a bead off a hook and opens it again",
        "gt sling <bead> <rig>": "gives a bead to a polecat of a rig",
        "gt convoy list": "shows convoys and their next bead",
        "gt convoy status <convoy>": "shows one convoy",
        "gt convoy watch <convoy>": "tells you when a convoy lands",
        'gt convoy close <convoy> --reason "<text>"': "closes a convoy whose beads are closed",
        "gt mq list <rig>": "shows the merge queue of a rig, with --all of every rig",
        "gt mq status <request>": "shows one merge request",
        "gt mq retry <request>": "puts a merge request back into the queue",
        "gt dog list": "shows the dogs and what they do",
        "gt dog status <dog>": "shows one dog",
        "gt dog call <dog>": "calls a dog",
        "gt dog clear <dog>": "frees a stuck dog",
        "gt dog dispatch --plugin <plugin>": "lets a dog run a plugin",
        "gt plugin list": "shows plugins and their gates",
        "gt plugin show <plugin>": "shows one plugin",
        "gt plugin history <plugin>": "shows the runs of a plugin",
        'gt escalate "<text>" -s HIGH': "asks the mayor for help",
        "gt prime --hook": "prints your role",
    },
    "bd": {
        "bd show <bead>": "shows one bead",
        "bd list --status=hooked": "shows beads on hooks; any other status likewise",
        "bd update <bead> --status=in_progress": "changes the status of a bead",
        'bd comment <bead> "<text>"': "adds a comment to a bead",
        'bd close <bead> --reason="<text>"': "closes a bead",
        'bd create --title "<text>"': "makes a bead",
        "bd dep add <bead> <bead>": "makes the first bead wait for the second",
        "bd gate list": "shows gates and what they wait for",
        "bd gate show <gate>": "shows one gate",
        "bd gate check <gate>": "looks whether a gate may open",
        'bd gate close <gate> --reason "<text>"': "opens the way behind a gate",
    },
    "git": {
        "git status --short": "shows changed files",
        "git add <path>": "stages a file",
        'git commit -m "fix <bead>"': "commits what is staged",
        "git apply <bead>.patch": "applies the change that was prepared for a bead",
        "git rebase origin/main": "moves the branch onto main",
        "git checkout --theirs <path>": "takes the branch's side of a conflict",
        "git rebase --continue": "goes on after a conflict",
        "git push origin HEAD": "publishes the branch; never push to main",
    },
    "shell": {
        "rg -n <symbol> src": "finds where a symbol stands",
        "sed -n 1,80p <path>": "shows a file",
        "python -m pytest -q": "runs the tests",
    },
}
"Every command that a session uses, by program, and what it does."

CARDS = {
    "deacon": "You are the deacon. You patrol the whole town: agents, hooks, convoys, dogs, plugins, gates. "
    "Wake what is stale, file warrants for what is dead, never kill a session, escalate the rest.",
    "witness": "You are a witness. You watch the polecats of one rig, wake those that stall, remove those "
    "that are done, and never do their work.",
    "polecat": "You are a polecat. You do the bead on your hook at once, in your own worktree, and end "
    "with gt done.",
}
"What each role is told it is."

OPENINGS = (
    "Run `gt prime --hook` and begin patrol.",
    "Begin. Work on your hook comes first.",
    "Run `gt prime --hook` and begin your work at once.",
)

VALUES = {
    "rig": tuple(names.RIGS),
    "polecat": names.POLECATS,
    "bead": tuple(bead for group in names.BEADS.values() for bead in group),
    "convoy": names.CONVOYS,
    "request": tuple(request for group in names.REQUESTS.values() for request in group),
    "mail": names.MAILS,
    "dog": names.DOGS,
    "plugin": names.PLUGINS,
    "gate": names.GATES,
    "path": names.PATHS,
    "symbol": names.SYMBOLS,
}
"What may stand for each placeholder of a command."

SHOWN = 2000
"Characters of a long hook output that the harness lets through."

_RULES = """\
# The town

Every agent runs the work on its hook at once and asks nobody.

## Rules
- Reach an agent with gt nudge, never through tmux.
- Close with bd close, create with bd create, give work with gt sling.
- A polecat never pushes to main, never merges its own work and ends with gt done.
- The deacon files warrants and never kills a session.
- A refinery never fixes what was broken before; it makes a bead.
- A witness does not implement.
- Look before you act: a table says which agent, bead, convoy, dog, plugin or gate is meant.
- Blocked: gt escalate with a reason and -s HIGH.
"""


def prime(role: str, actor: str) -> str:
    """What `gt prime --hook` prints for an agent at the start of its session."""
    listed = "\n".join(f"- `{command}`: {use}" for command, use in COMMANDS["gt"].items())
    head = f"[GAS TOWN] role:{role} actor:{actor}\n# {role.title()} Context\n{CARDS[role]}"
    return f"{head}\n## Commands\n{listed}"[:SHOWN]


def documents() -> dict[str, str]:
    """Path in the town -> text, the same for every seed."""
    pages = {f"docs/{program}.md": _page(program, commands) for program, commands in COMMANDS.items()}
    return {
        "CLAUDE.md": _RULES,
        "AGENTS.md": _RULES,
        "docs/names.md": _names(),
        **pages,
        **{f"directives/{role}.md": f"# {role.title()}\n\n{card}\n" for role, card in CARDS.items()},
        ".beads/formulas/mol-town-patrol.formula.toml": _FORMULA,
    }


def _page(program: str, commands: dict[str, str]) -> str:
    parts = [f"# {program}\n"]
    for number, (command, use) in enumerate(commands.items()):
        parts.append(f"`{command}` {use}. For example: `{_filled(command, number)}`\n")
    return "\n".join(parts)


def _filled(command: str, number: int) -> str:
    for name, values in VALUES.items():
        while f"<{name}>" in command:
            command = command.replace(f"<{name}>", values[number % len(values)], 1)
            number += 7
    return command.replace("<text>", "checked").replace("<message>", "report status")


def _names() -> str:
    lines = ["# Names\n"]
    for rig, prefix in names.RIGS.items():
        lines.append(f"Rig {rig}, prefix {prefix}. Beads: {' '.join(names.BEADS[rig])}.")
        lines.append(f"Merge requests of {rig}: {' '.join(names.REQUESTS[rig])}.")
    for title, group in (("Polecats", names.POLECATS), ("Dogs", names.DOGS), ("Plugins", names.PLUGINS)):
        lines.append(f"{title}: {' '.join(group)}.")
    for title, ids in (("Convoys", names.CONVOYS), ("Mail", names.MAILS), ("Gates", names.GATES)):
        lines.append(f"{title}: {' '.join(ids)}.")
    return "\n".join(lines) + "\n"


_FORMULA = """\
formula = "mol-town-patrol"
type = "workflow"
version = 1

[[steps]]
id = "look"
title = "Look"
description = "Run the check that the patrol lists, for example `gt agents list` or `bd gate list`."

[[steps]]
id = "act"
title = "Act"
needs = ["look"]
description = "Nudge what is stale, file a warrant for what is dead, release hooks whose agent is gone."

[[steps]]
id = "report"
title = "Report"
needs = ["act"]
description = "Run `gt patrol report`."
"""
