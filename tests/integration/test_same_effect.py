# SPDX-License-Identifier: Apache-2.0
"""Commands compared by what they do, in the real sandbox: drawn ones, and ones that are written both ways."""

import json
import shlex
from random import Random

import pytest
from replayed_sessions import Ruled, session

from node0.errors import SandboxUnavailable
from node0.finetune.chat.same_calls import Call
from node0.finetune.eval.effect.same_effect import Effect, EffectJudge
from node0.finetune.eval.replay import Agreement, replay_tasks
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.sandbox_runner import find_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

LONG = {"title": "title", "type": "t", "priority": "p", "description": "d", "assignee": "a", "labels": "l"}
VALUES = {
    "title": ("Mend it", "Oil the gate"), "type": ("bug", "feature", "chore"), "priority": ("0", "1", "3"),
    "description": ("It's shut.", "a \"b\" c"), "assignee": ("rosa", "ada"), "labels": ("x", "x,y"),
}  # fmt: skip


@pytest.fixture(scope="module")
def judge() -> EffectJudge:
    try:
        return EffectJudge(find_sandbox(limits=SandboxLimits(seconds=20)))
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def calls(command: str) -> list[Call]:
    return [("Bash", json.dumps({"command": command}))]


def written(action: str, names: list[str], given: dict[str, str], draw: Random) -> str:
    """One command of bd, in one of the ways to write it."""
    parts = [shlex.quote(name) for name in names]
    for flag, value in given.items():
        short = LONG[flag] if len(LONG[flag]) == 1 else ""
        value = f"P{value}" if flag == "priority" and draw.random() < 0.5 else value
        forms = [f"--{flag} {shlex.quote(value)}", f"--{flag}={shlex.quote(value)}"]
        forms += [f"-{short} {shlex.quote(value)}"] if short else []
        parts.append(draw.choice(forms))
    if action == "create":
        draw.shuffle(parts)
    else:
        parts = [*parts[: len(names)], *draw.sample(parts[len(names) :], len(given))]
    return f"bd {action} {' '.join(parts)}{draw.choice(['', ' ', ' ;'])}"


def drawn(draw: Random) -> tuple[str, list[str], dict[str, str]]:
    """What a command says."""
    action = draw.choice(["create", "update"])
    optional = set(VALUES) - ({"title"} if action == "create" else {"labels"})
    flags = draw.sample(sorted(optional), draw.randint(1, 3))
    flags = ["title", *flags] if action == "create" else flags
    names = [] if action == "create" else [f"gt-{draw.randint(1, 9)}"]
    return action, names, {flag: draw.choice(VALUES[flag]) for flag in flags}


@pytest.mark.parametrize("seed", range(6))
def test_one_command_written_in_two_ways_does_the_same(judge: EffectJudge, seed: int) -> None:
    draw = Random(seed)
    said = drawn(draw)

    assert judge.judge(calls(written(*said, draw)), calls(written(*said, draw))) is Effect.SAME


@pytest.mark.parametrize("seed", range(6))
def test_a_command_that_says_something_else_does_not(judge: EffectJudge, seed: int) -> None:
    draw = Random(100 + seed)
    action, names, given = drawn(draw)
    flag = draw.choice(sorted(given))
    other = {**given, flag: draw.choice([value for value in VALUES[flag] if value != given[flag]])}
    fewer = {name: value for name, value in given.items() if name != flag} or {"priority": "4"}

    first = calls(written(action, names, given, draw))
    assert judge.judge(first, calls(written(action, names, other, draw))) is Effect.OTHER
    assert judge.judge(first, calls(written(action, names, fewer, draw))) is not Effect.SAME
    if names:
        assert judge.judge(first, calls(written(action, ["gt-77"], given, draw))) is Effect.OTHER


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("git switch feat/gate", "git checkout feat/gate"),
        ("git diff --cached", "git diff --staged"),
        ("git status -s", "git status --short"),
        ("git log --oneline -5", "git log -n 5 --oneline"),
        ("git add src/a.py && git commit -m 'Mend it'", "git add src/a.py\ngit commit --message='Mend it'"),
        ("git push -u origin feat", "git push --set-upstream origin feat"),
        (
            "git commit -am \"$(cat <<'EOF'\nMend it\n\nIt was shut.\nEOF\n)\"",
            "git commit -a -m 'Mend it\n\nIt was shut.'",
        ),
        ("git checkout -- a.py", "git restore a.py"),
    ],
)  # fmt: skip
def test_what_people_write_both_ways_does_the_same(judge: EffectJudge, first: str, second: str) -> None:
    assert judge.judge(calls(first), calls(second)) is Effect.SAME


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("git add -A", "git add ."),
        ("git merge feat", "git merge --no-ff feat"),
        ("git pull", "git pull --rebase"),
        ("git push", "git push origin main"),
        ("git push -f", "git push --force-with-lease"),
        ("git reset --soft HEAD~1", "git reset HEAD~1"),
        ("git log --oneline -5", "git log --oneline -6"),
        ("git diff main...HEAD", "git diff main..HEAD"),
        ("git log main..HEAD", "git log origin/main..HEAD"),
        ("git stash", "git stash -u"),
        ("git branch -d feat", "git branch -D feat"),
        ("git rm a.py", "git rm --cached a.py"),
        ("git commit -m x", "git commit -m y"),
        ("git status --porcelain", "git status -s -b"),
        ("git checkout -b feat", "git branch feat"),
        ("git push --tags", "git push"),
        ("git rm src", "git rm -r src"),
    ],
)
def test_what_only_looks_alike_is_told_apart(judge: EffectJudge, first: str, second: str) -> None:
    assert judge.judge(calls(first), calls(second)) is not Effect.SAME


def test_a_replayed_session_passes_where_its_commands_do_the_same(judge: EffectJudge) -> None:
    said = {"look after the beads": "bd list -s open", "open: gt-a-77": "bd close gt-a-77 --force"}
    tasks = replay_tasks([session("gt-a")], judge=judge)
    [found] = EvalRunner(tasks, Trying(epochs=1, temperature=0.0)).run(Ruled(said.__getitem__))

    assert [check.check for check in found.checks] == [Agreement.SAME_EFFECT, Agreement.WRONG]
    assert found.checks[1].reason.endswith("which was seen to do something else")
