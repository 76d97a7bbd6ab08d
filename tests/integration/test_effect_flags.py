# SPDX-License-Identifier: Apache-2.0
"""Every flag that a script may have makes a difference in the made states, or is known to make none.

A flag that they could not tell would let two commands pass for the same that are not.
"""

import json
from typing import Any, cast

import pytest
from runs_here import RunsHere

from node0.finetune.chat.same_calls import Call
from node0.finetune.eval.effect.same_effect import Effect, EffectJudge
from node0.finetune.eval.effect.script import BD_FLAGS, GIT_FLAGS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

WITHOUT = {
    "bd create": "bd create x", "bd update": "bd update gt-1", "bd close": "bd close gt-1",
    "bd reopen": "bd reopen gt-1", "bd show": "bd show gt-1", "bd dep": "bd dep add gt-1 gt-2",
    "bd label": "bd label add gt-1 x", "bd comment": "bd comment gt-1 y", "bd comments": "bd comments gt-1",
    "git add": "git add a.py", "git branch": "git branch", "git checkout": "git checkout feat",
    "git cherry-pick": "git cherry-pick feat", "git commit": "git commit -m x", "git log": "git log feat",
    "git merge": "git merge feat", "git mv": "git mv a.py b.py", "git push": "git push origin feat",
    "git rebase": "git rebase feat", "git reset": "git reset HEAD~1", "git restore": "git restore a.py",
    "git rev-parse": "git rev-parse HEAD", "git revert": "git revert HEAD", "git rm": "git rm a.py",
    "git show": "git show feat", "git switch": "git switch feat", "git symbolic-ref": "git symbolic-ref HEAD",
    "git tag": "git tag v1",
}  # fmt: skip
"Of each command a use without flags; of others its name alone."

VALUES = {
    "type": "bug", "t": "bug", "priority": "4", "p": "4", "status": "closed", "s": "closed", "parent": "gt-9",
    "deps": "gt-9", "blocked-by": "gt-9", "depends-on": "gt-9", "id": "gt-55",
}  # fmt: skip
ALONE = {"json", "silent", "claim", "all", "force", "f"}
OTHER_VALUES = {"bd dep": {"type": "related", "t": "related"}, "bd close": {"r": "why", "reason": "why"}}
TEXTS = {("git commit", "m"), ("git commit", "message"), ("git stash", "m"), ("git stash", "message")}
COUNTS = {("git log", "n"), ("git log", "max-count")}

NEUTRAL = {
    # what is printed where something is changed
    "bd create": {"json", "silent"}, "bd update": {"json"}, "bd close": {"json"}, "bd label": {"json"},
    "bd comment": {"json"}, "git fetch": {"q", "quiet"}, "git rm": {"q", "r"},
    # and what git does anyway, or no editor asks about
    "git add": {"v", "verbose", "A", "all"}, "git branch": {"list", "f", "force"},
    "git commit": {"q", "quiet", "no-edit"}, "git ls-files": {"exclude-standard"},
    "git merge": {"ff", "no-edit"},
    "git reset": {"q", "quiet", "mixed"}, "git restore": {"W", "worktree"}, "git rev-parse": {"verify"},
    "git revert": {"no-edit"}, "git status": {"b", "branch"},
}  # fmt: skip
"Flags that make none, by command."


def with_flag(command: str, flag: str) -> str:
    """The use of a command with one more flag, in front of its words."""
    program, name, *words = WITHOUT.get(command, command).split(" ")
    dashes = "-" if len(flag) == 1 or flag in ("am", "vv", "sb", "uno", "uall") else "--"
    value = OTHER_VALUES.get(command, {}).get(flag, VALUES.get(flag, "rosa"))
    if program == "git" or flag in ALONE:
        value = "y" if (command, flag) in TEXTS else "3" if (command, flag) in COUNTS else ""
    given = f"{dashes}{flag} {value}".strip()
    return " ".join([program, name, *words, given] if program == "bd" else [program, name, given, *words])


def calls(command: str) -> list[Call]:
    return [("Bash", json.dumps({"command": command}))]


@pytest.mark.parametrize(
    "command", [*(f"bd {name}" for name in BD_FLAGS), *(f"git {name}" for name in GIT_FLAGS)]
)
def test_a_flag_is_told_from_none_or_known_to_do_nothing(command: str) -> None:
    program, name = command.split(" ")
    judge = EffectJudge(cast(Any, RunsHere()))
    flags = (BD_FLAGS if program == "bd" else GIT_FLAGS)[name]
    plain = calls(WITHOUT.get(command, command))

    alike = {
        flag for flag in sorted(flags) if judge.judge(plain, calls(with_flag(command, flag))) is Effect.SAME
    }
    assert alike == NEUTRAL.get(command, set())
