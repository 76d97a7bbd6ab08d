# SPDX-License-Identifier: Apache-2.0
"""Which commands do the same: tried with the throwaway bd and git, without the sandbox that a model needs."""

import json
from typing import Any, cast

import pytest
from runs_here import RunsHere

from node0.finetune.chat.same_calls import Call
from node0.finetune.eval.effect.same_effect import Effect, EffectJudge


def calls(*commands: str) -> list[Call]:
    return [("Bash", json.dumps({"command": command})) for command in commands]


def judged(first: str, second: str) -> Effect:
    return EffectJudge(cast(Any, RunsHere())).judge(calls(first), calls(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bd close gt-1 --reason done", "bd close -r done gt-1"),
        ("bd dep add gt-1 hq-wisp-x2", "bd dep add gt-1 --blocked-by hq-wisp-x2"),
        ("bd list --status open --json", "bd list --json -s open"),
        ("git checkout -b feat", "git switch -c feat"),
        ("cd /gt/rig && bd show gt-1", "cd /gt/rig/ && bd show 'gt-1'"),
    ],
)
def test_these_do_the_same(first: str, second: str) -> None:
    assert judged(first, second) is Effect.SAME


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bd close gt-1", "bd close gt-2"),
        ("bd close gt-1", "bd close gt-1 --force"),
        ("bd close gt-1 --force", "bd close gt-1"),
        ("bd close gt-1", "bd show gt-1"),
        ("bd list", "bd ready"),
        ("bd update gt-1 --claim", "bd update gt-1 --claim && bd list"),
        ("git commit -am x", "git add -A && git commit -m x"),
    ],
)
def test_these_do_not(first: str, second: str) -> None:
    assert judged(first, second) is Effect.OTHER


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bd show gt-1", "cat notes.md"),
        ("gt status", "gt status --json"),
        ("bd close nothing", "bd close nobody"),
        ("git show abc1234", "git show abc1235"),
        ("cd /gt/a && bd close gt-1", "cd /gt/b && bd close gt-1"),
        ("cd /gt/a && bd close gt-1", "bd close gt-1"),
        (f"git add {'x' * 300}", f"git add -- {'x' * 300}"),
    ],
)
def test_of_these_nothing_is_claimed(first: str, second: str) -> None:
    assert judged(first, second) is Effect.UNKNOWN


def test_what_is_known_of_a_pair_is_not_tried_again() -> None:
    runner = RunsHere()
    judge = EffectJudge(cast(Any, runner))
    first = judge.judge(calls("bd close gt-1"), calls("bd close gt-2"))
    runs = runner.runs
    again = judge.judge(calls("bd close gt-1"), calls("bd close gt-2"))

    assert first is again is Effect.OTHER
    assert runner.runs == runs > 0


def test_what_is_no_script_cannot_be_tried() -> None:
    judge = EffectJudge(cast(Any, RunsHere()))

    assert judge.can_try(calls("bd list"), calls("git status"))
    assert not judge.can_try(calls("bd list"), calls("ls"))
    assert not judge.can_try(calls("bd list"), [])
    assert not judge.can_try(calls("cd /gt && bd list"), calls("bd list"))


def test_several_calls_are_shells_of_their_own() -> None:
    judge = EffectJudge(cast(Any, RunsHere()))
    apart, joined = (
        calls("bd reopen gt-1", "bd label add gt-1 x"),
        calls("bd reopen gt-1 ; bd label add gt-1 x"),
    )

    assert judge.judge(apart, joined) is Effect.SAME
    assert judge.judge([], joined) is Effect.UNKNOWN


def test_a_run_that_was_stopped_shows_nothing() -> None:
    class Stopped(RunsHere):
        def run(self, *arguments: Any, **given: Any) -> Any:
            done = super().run(*arguments, **given)
            return type(done)(done.exit_code, done.stdout, done.stderr, 0.0, ("took too long",))

    judge = EffectJudge(cast(Any, Stopped()))

    assert judge.judge(calls("bd list --json"), calls("bd list  --json")) is Effect.UNKNOWN
