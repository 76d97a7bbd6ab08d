# SPDX-License-Identifier: Apache-2.0
"""Conventions that agents of a Gas Town must keep, each for the roles it binds, with the reason to give.

Taken from what gt's guards refuse (`gt tap guard`: dangerous-command, pr-workflow) and what the roles'
instructions forbid, Gas Town 1.0.1. Raw `git add`, `git commit` and `git push` are the taught flow, and
`git push --force-with-lease` is allowed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EVERY = frozenset({"mayor", "deacon", "witness", "refinery", "polecat", "crew", "dog", "boot"})
PATROLS = frozenset({"deacon", "witness", "refinery"})
OVERSEERS = frozenset({"mayor", "deacon", "witness", "boot"})


@dataclass(frozen=True)
class RoleRule:
    """A command that some roles do not run."""

    pattern: str
    "What a simple command must not match from its beginning."

    reason: str
    roles: frozenset[str] = EVERY
    unless: str = ""
    "A command that also matches this is allowed."

    def refuses(self, role: str, line: str) -> bool:
        """Whether the rule binds this role and forbids this command."""
        if role not in self.roles or not re.match(self.pattern, line):
            return False
        return not (self.unless and re.search(self.unless, line))


RULES = (
    RoleRule(r"sudo\b", "the guard refuses sudo"),
    RoleRule(
        r"(apt(-get)?|yum|dnf|brew|apk|pacman)\s+(-\S+\s+)*(install|add|-S)\b",
        "the guard refuses to install packages of the system",
    ),
    RoleRule(r"rm\s+(-\S+\s+)*(/|~|/\*)(\s|$)", "the guard refuses to remove everything"),
    RoleRule(
        r"git\s+(-C \S+\s+)?push\b.*\s(--force|-f)(\s|$)",
        "the guard refuses a forced push; --force-with-lease is allowed",
    ),
    RoleRule(r"git\s+(-C \S+\s+)?reset\s+(.*\s)?--hard", "the guard refuses git reset --hard"),
    RoleRule(r"git\s+(-C \S+\s+)?clean\s+(.*\s)?-\w*f", "the guard refuses git clean -f"),
    RoleRule(r".*\b(drop|truncate)\s+(table|database)\b", "the guard refuses to drop or truncate tables"),
    RoleRule(r"(rm|mv)\b.*\.dolt(-data)?\b", "nothing below .dolt or .dolt-data is removed by hand"),
    RoleRule(r"tmux\s+send-keys", "an agent is woken by gt nudge, never by tmux send-keys"),
    RoleRule(r"bd\s+complete\b", "bd has no complete; use bd close"),
    RoleRule(r"bd\s+update\b.*--status[= ]done", "done is no status; use bd close"),
    RoleRule(r"bd\s+sync\b.*--force", "bd sync has nothing to force"),
    RoleRule(r"gt\s+issue\s+create", "gt has no issue create; use bd create"),
    RoleRule(r"gt\s+polecat\s+spawn", "polecats are spawned by gt sling"),
    RoleRule(r"bv(\s|$)", "bare bv opens a screen that nobody sees; use bv --robot-*", unless=r"--robot-"),
    RoleRule(
        r"gh\s+pr\s+(create|merge)", "only a refinery with merge_strategy=pr opens a PR", EVERY - {"refinery"}
    ),
    RoleRule(
        r"git\s+(checkout\s+-b|switch\s+-c)\b",
        "the guard refuses new branches: work is on the branch that was given",
        frozenset({"polecat", "crew"}),
    ),
    RoleRule(r"git\s+push\b.*\b(main|master)\b", "a polecat never pushes to main", frozenset({"polecat"})),
    RoleRule(
        r"git\s+merge\s+(?!origin/main\b|main\b|--abort|--continue)",
        "a polecat merges no work",
        frozenset({"polecat"}),
    ),
    RoleRule(r"gt\s+(mq\s+)?merge\b", "a polecat merges no work", frozenset({"polecat"})),
    RoleRule(r"gt\s+sling\b", "a polecat cannot sling", frozenset({"polecat", "dog"})),
    RoleRule(r"gt\s+mail\s+send", "a dog sends no mail", frozenset({"dog"})),
    RoleRule(r"gt\s+done\b", "gt done is for polecats; a dog ends with gt dog done", frozenset({"dog"})),
    RoleRule(
        r"git\s+branch\s+(-r|-a|--list)",
        "the queue is read by gt mq list, not from branches",
        frozenset({"refinery"}),
    ),
    RoleRule(
        r"(tmux\s+kill-(session|server)|pkill|killall|kill)\b",
        "sessions are not killed by hand: file a warrant, or nuke the polecat",
        OVERSEERS,
        unless=r"kill\s+-0\s",
    ),
    RoleRule(r"gt\s+polecat\s+nuke\b", "the deacon files warrants and nukes nobody", frozenset({"deacon"})),
    RoleRule(r"bd\s+mol\s+pour", "a patrol is a wisp: bd mol wisp, not bd mol pour", PATROLS),
    RoleRule(r"sleep\s+\d", "a patrol waits by gt mol step await-signal, not by sleeping", PATROLS),
    RoleRule(r"bd\s+close\b.*-wisp-", "a witness closes no wisp of others", frozenset({"witness"})),
    RoleRule(r"(sed\s+-i|patch\b|git\s+(commit|apply)\b)", "this role implements nothing", OVERSEERS),
    RoleRule(
        r"gh\s+repo\s+clone|git\s+clone\s+https?://",
        "a repository's address is never guessed",
        frozenset({"mayor"}),
    ),
    RoleRule(r"gt\s+dolt\s+(stop|restart)", "Dolt is looked at (gt dolt status) before it is restarted"),
)
"The last one holds only where nothing was looked at before; `violations` knows."

_LOOKED = re.compile(r"gt\s+dolt\s+(status|logs)|bd\s+doctor|gt\s+doctor")


def violations(role: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each command that breaks a rule, with the reason, in the order of the commands."""
    looked = False
    for line in lines:
        looked = looked or _LOOKED.match(line) is not None
        for rule in RULES:
            if rule.refuses(role, line) and not (looked and line.startswith("gt dolt")):
                yield line, rule.reason
