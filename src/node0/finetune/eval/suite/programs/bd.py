# SPDX-License-Identifier: Apache-2.0
"""A small `bd` over a JSON file, for throwaway places: the commands and rules of bd 1.0 that agents use.

It runs alone inside the sandbox, so it imports nothing of the project. As bd does, it refuses to close what
is blocked or has open children, a dependency that closes a circle, unknown beads, statuses and flags;
`bd create --deps X` makes the new bead wait for X, `--deps blocks:X` makes X wait for it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

STORE = Path(".beads/store.json")
STATUSES = ("open", "in_progress", "blocked", "deferred", "closed", "pinned", "hooked")
TYPES = ("bug", "feature", "task", "epic", "chore", "decision", "spike", "story", "milestone")
ALIASES = {"feat": "feature", "enhancement": "feature", "dec": "decision", "adr": "decision"}
BLOCKING = ("blocks", "parent-child")
DEPENDENCIES = (*BLOCKING, "discovered-from", "related", "relates-to", "tracks", "caused-by", "supersedes")
TEXTS = ("title", "description", "assignee", "acceptance", "notes", "design")


class Refused(Exception):
    """What bd says to a command that it does not carry out."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


class Store:
    """All beads of a place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kept = json.loads(path.read_text()) if path.exists() else {}
        self.prefix: str = kept.get("prefix", "gt")
        self.beads: dict[str, dict[str, Any]] = kept.get("beads", {})
        self.comments: list[dict[str, str]] = kept.get("comments", [])

    def save(self) -> None:
        """Write everything."""
        self.path.parent.mkdir(exist_ok=True)
        kept = {"prefix": self.prefix, "beads": self.beads, "comments": self.comments}
        self.path.write_text(json.dumps(kept))

    def get(self, name: str) -> dict[str, Any]:
        """A bead by its id."""
        if name not in self.beads:
            raise Refused(f"no issue found matching {name!r}")
        return self.beads[name]

    def new_id(self, parent: str) -> str:
        """The next free id, below the parent where there is one."""
        number = 1
        while (name := f"{parent}.{number}" if parent else f"{self.prefix}-n{number:02d}") in self.beads:
            number += 1
        return name

    def children(self, name: str) -> list[dict[str, Any]]:
        """Beads below an epic."""
        return [bead for bead in self.beads.values() if bead["parent"] == name]

    def blockers(self, bead: dict[str, Any]) -> list[str]:
        """Ids of the open beads that this one waits for."""
        needed = [other for other, kind in bead["needs"] if kind == "blocks"]
        return [other for other in needed if self.beads.get(other, {}).get("status") != "closed"]

    def needs(self, name: str) -> list[str]:
        """What a bead waits for, its children included."""
        found = [other for other, kind in self.get(name)["needs"] if kind == "blocks"]
        return found + [bead["id"] for bead in self.children(name)]

    def reaches(self, start: str, goal: str) -> bool:
        """Whether one bead waits for another, directly or through others."""
        seen, waiting = set(), [start]
        while waiting:
            name = waiting.pop()
            if name == goal:
                return True
            if name not in seen and name in self.beads:
                seen.add(name)
                waiting += self.needs(name)
        return False

    def link(self, name: str, other: str, kind: str) -> None:
        """Make a bead depend on another."""
        bead = self.get(name)
        self.get(other)
        if kind not in DEPENDENCIES:
            raise Refused(f"invalid dependency type {kind!r}")
        if kind == "blocks" and self.reaches(other, name):
            raise Refused(f"adding dependency {name} -> {other} would create a cycle")
        if kind == "parent-child":
            bead["parent"] = other
        elif [other, kind] not in bead["needs"]:
            bead["needs"].append([other, kind])


def say(text: str) -> None:
    """A line on stdout."""
    sys.stdout.write(f"{text}\n")


def line(bead: dict[str, Any]) -> str:
    """A bead in one line."""
    return f"{bead['id']} [{bead['status']}] [P{bead['priority']}] [{bead['type']}] {bead['title']}"


def create(store: Store, given: argparse.Namespace) -> None:
    """bd create"""
    title = given.title or " ".join(given.words)
    if not title:
        raise Refused("title required")
    if given.parent and given.id:
        raise Refused("cannot specify both --id and --parent flags")
    if given.parent:
        store.get(given.parent)
    name = given.id or store.new_id(given.parent or "")
    if name in store.beads:
        raise Refused(f"issue {name} exists already")
    bead: dict[str, Any] = dict.fromkeys(TEXTS, "") | {"id": name, "title": title, "status": "open"}
    bead |= {"type": "task", "priority": 2, "labels": [], "parent": given.parent or "", "needs": []}
    bead["close_reason"] = ""
    store.beads[name] = bead
    change(store, bead, given)
    for spec in split(given.deps):
        kind, _, other = spec.rpartition(":")
        if kind == "blocks":
            store.link(other, name, "blocks")
        else:
            store.link(name, other, "blocks" if kind in ("", "depends-on", "blocked-by") else kind)
    if given.json:
        say(json.dumps(shown(bead)))
    else:
        say(name if given.silent or given.command == "q" else f"Created issue: {name} - {title}")


def change(store: Store, bead: dict[str, Any], given: argparse.Namespace) -> None:
    """Take over what flags of create and update say."""
    for field in TEXTS:
        if (value := getattr(given, field)) is not None:
            bead[field] = value
    if given.type is not None:
        bead["type"] = one_of(ALIASES.get(given.type, given.type), TYPES, "type")
    if given.priority is not None:
        bead["priority"] = int(one_of(given.priority.upper().removeprefix("P"), tuple("01234"), "priority"))
    for label in split(given.labels):
        if label not in bead["labels"]:
            bead["labels"].append(label)


def update(store: Store, given: argparse.Namespace) -> None:
    """bd update"""
    for bead in [store.get(name) for name in some(given.words, "issue ID")]:
        change(store, bead, given)
        if given.append_notes:
            bead["notes"] = f"{bead['notes']}\n{given.append_notes}".strip()
        if given.status is not None:
            bead["status"] = one_of(given.status, STATUSES, "status")
        if given.claim:
            if bead["assignee"] not in ("", "me"):
                raise Refused(f"{bead['id']} is claimed by {bead['assignee']}")
            bead |= {"assignee": "me", "status": "in_progress"}
        bead["labels"] = [each for each in bead["labels"] if each not in split(given.remove_label)]
        if given.parent is not None:
            if given.parent and store.reaches(bead["id"], store.get(given.parent)["id"]):
                raise Refused(f"{given.parent} cannot be above {bead['id']}: that would create a cycle")
            bead["parent"] = given.parent
        say(f"Updated issue: {bead['id']}")


def close(store: Store, given: argparse.Namespace) -> None:
    """bd close"""
    for bead in [store.get(name) for name in some(given.words, "issue ID")]:
        if bead["status"] == "closed":
            say(f"{bead['id']} is already closed")
            continue
        waits = store.blockers(bead)
        below = [child["id"] for child in store.children(bead["id"]) if child["status"] != "closed"]
        if waits and not given.force:
            raise Refused(f"cannot close {bead['id']}: blocked by open issues {waits} (--force overrides)")
        if below and not given.force:
            raise Refused(f"cannot close {bead['id']}: {len(below)} open child issue(s) (--force overrides)")
        bead |= {"status": "closed", "close_reason": given.reason or "Closed"}
        say(f"Closed {bead['id']}: {bead['close_reason']}")


def reopen(store: Store, given: argparse.Namespace) -> None:
    """bd reopen"""
    for name in given.words:
        store.get(name).update(status="open", close_reason="")
        say(f"Reopened {name}")


def show(store: Store, given: argparse.Namespace) -> None:
    """bd show"""
    beads = [store.get(name) for name in given.words]
    if given.json:
        say(json.dumps([shown(bead) for bead in beads]))
        return
    for bead in beads:
        say(line(bead))
        for field in ("assignee", "description", "acceptance", "notes", "parent", "close_reason"):
            if bead.get(field):
                say(f"  {field}: {bead[field]}")
        if bead["labels"]:
            say(f"  labels: {', '.join(bead['labels'])}")
        for other, kind in bead["needs"]:
            say(f"  depends on ({kind}): {line(store.beads[other]) if other in store.beads else other}")
        for comment in store.comments:
            if comment["bead"] == bead["id"]:
                say(f"  comment: {comment['text']}")


def listed(store: Store, given: argparse.Namespace) -> None:
    """bd list, ready and blocked"""
    beads = list(store.beads.values())
    if given.command == "ready":
        beads = [bead for bead in beads if bead["status"] == "open" and not store.blockers(bead)]
    elif given.command == "blocked":
        beads = [bead for bead in beads if bead["status"] != "closed" and store.blockers(bead)]
    elif given.status is not None:
        wanted = [one_of(each, STATUSES, "status") for each in split(given.status)]
        beads = [bead for bead in beads if bead["status"] in wanted]
    elif not given.all:
        beads = [bead for bead in beads if bead["status"] != "closed"]
    for field in ("type", "assignee", "parent"):
        if (value := getattr(given, field)) is not None:
            beads = [bead for bead in beads if bead[field] == value]
    if given.priority is not None:
        beads = [bead for bead in beads if f"P{bead['priority']}".endswith(given.priority.upper())]
    beads = [bead for bead in beads if set(split(given.labels)) <= set(bead["labels"])]
    beads.sort(key=lambda bead: (bead["priority"], bead["id"]))
    if given.json:
        say(json.dumps([shown(bead) for bead in beads]))
    for bead in [] if given.json else beads:
        waits = store.blockers(bead) if given.command == "blocked" else []
        say(line(bead) + (f" (blocked by: {', '.join(waits)})" if waits else ""))


def depend(store: Store, given: argparse.Namespace) -> None:
    """bd dep add, remove, list, tree and cycles"""
    action, *names = some(given.words, "dep command")
    others = split(given.blocked_by)
    if action == "add" and len(names) + len(others) == 2:
        one, other = [*names, *others]
        store.link(one, other, given.type or "blocks")
        say(f"Added dependency: {one} depends on {other} ({given.type or 'blocks'})")
    elif action in ("remove", "rm") and len(names) == 2:
        bead = store.get(names[0])
        if not any(other == names[1] for other, _ in bead["needs"]):
            raise Refused(f"no dependency from {names[0]} to {names[1]}")
        bead["needs"] = [each for each in bead["needs"] if each[0] != names[1]]
        say(f"Removed dependency: {names[0]} no longer depends on {names[1]}")
    elif action in ("list", "tree") and len(names) == 1:
        for other, kind in store.get(names[0])["needs"]:
            say(f"{line(store.get(other))} ({kind})")
    elif action == "cycles":
        say("No dependency cycles detected")
    else:
        raise Refused(f"unknown command for 'bd dep': {' '.join(given.words)}")


def label(store: Store, given: argparse.Namespace) -> None:
    """bd label add, remove and list"""
    action, *names = some(given.words, "label command")
    if action == "list" and len(names) == 1:
        say("\n".join(store.get(names[0])["labels"]))
    elif action in ("add", "remove") and len(names) >= 2:
        for name in names[:-1]:
            bead = store.get(name)
            bead["labels"] = [each for each in bead["labels"] if each != names[-1]]
            bead["labels"] += [names[-1]] if action == "add" else []
            say(f"{action} label {names[-1]!r}: {name}")
    else:
        raise Refused(f"unknown command for 'bd label': {' '.join(given.words)}")


def comment(store: Store, given: argparse.Namespace) -> None:
    """bd comment and bd comments"""
    words = given.words
    if given.command == "comments" and words[:1] != ["add"]:
        say("\n".join(each["text"] for each in store.comments if each["bead"] == words[0]))
        return
    name, *text = words[1:] if given.command == "comments" else words
    store.get(name)
    if not text:
        raise Refused("comment text required")
    store.comments.append({"bead": name, "text": " ".join(text)})
    say(f"Comment added to {name}")


def split(value: list[str] | str | None) -> list[str]:
    """Values of a flag that takes several, with commas or again and again."""
    given = [value] if isinstance(value, str) else value or []
    return [word.strip() for each in given for word in each.split(",") if word.strip()]


def one_of(value: str, known: tuple[str, ...], what: str) -> str:
    """The value, if it is known."""
    if value not in known:
        raise Refused(f"invalid {what} {value!r}: use one of {', '.join(known)}")
    return value


def some(words: list[str], what: str) -> list[str]:
    """The words, if there are any."""
    if not words:
        raise Refused(f"{what} required")
    return words


def shown(bead: dict[str, Any]) -> dict[str, Any]:
    """A bead as `--json` shows it."""
    dependencies = [{"depends_on_id": other, "type": kind} for other, kind in bead["needs"]]
    rest = {field: value for field, value in bead.items() if field not in ("needs", "type")}
    return rest | {"issue_type": bead["type"], "dependencies": dependencies}


COMMANDS = {
    "create": create,
    "new": create,
    "q": create,
    "update": update,
    "close": close,
    "reopen": reopen,
    "show": show,
    "list": listed,
    "ready": listed,
    "blocked": listed,
    "dep": depend,
    "label": label,
    "comment": comment,
    "comments": comment,
}


def parser() -> argparse.ArgumentParser:
    """One parser for all commands: a flag means the same wherever bd has it."""
    found = _Parser(prog="bd", add_help=False, allow_abbrev=False)
    found.add_argument("command", choices=sorted(COMMANDS), metavar="command")
    found.add_argument("words", nargs="*")
    for flags in (
        ("--description", "-d", "--body"), ("--assignee", "-a"), ("--type", "-t"), ("--priority", "-p"),
        ("--status", "-s"), ("--reason", "-r"), ("--title",), ("--parent",), ("--id",), ("--acceptance",),
        ("--notes",), ("--design",), ("--append-notes",),
    ):  # fmt: skip
        found.add_argument(*flags)
    for flags in (("--deps",), ("--remove-label",), ("--blocked-by", "--depends-on")):
        found.add_argument(*flags, action="append")
    found.add_argument("--labels", "-l", "--label", "--add-label", action="append")
    for flag in ("--json", "--silent", "--claim", "--all", "--flat"):
        found.add_argument(flag, action="store_true")
    found.add_argument("--force", "-f", action="store_true")
    return found


def main(arguments: list[str], path: Path = STORE) -> int:
    """Carry out one command; 0, or 1 with a line on stderr and nothing changed."""
    try:
        store = Store(path)
        given = parser().parse_intermixed_args(arguments)
        COMMANDS[given.command](store, given)
    except Refused as refused:
        sys.stderr.write(f"Error: {refused}\n")
        return 1
    store.save()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
