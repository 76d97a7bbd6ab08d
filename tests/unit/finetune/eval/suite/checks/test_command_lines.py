# SPDX-License-Identifier: Apache-2.0
from eval_items import bash

from node0.finetune.eval.suite.checks.command_lines import Runs, Worked
from node0.finetune.eval.suite.evidence import Evidence, Ran


def _ran(*commands: str) -> Evidence:
    return Evidence("crew", [bash(command) for command in commands])


def test_patterns_match_from_the_beginning_of_a_simple_command() -> None:
    check = Runs(check="runs", all=("git push",))

    assert check.judge(_ran("cd x && git push origin HEAD")).passed
    assert check.judge(_ran("echo git push")).reason == "no command matches 'git push'"
    assert check.judge(_ran()).reason == "no command was proposed"


def test_order_last_and_number_are_looked_at() -> None:
    ordered = Runs(check="runs", all=("git add", "git commit"), in_order=True, last="gt done", most=3)

    assert ordered.judge(_ran("git add a; git commit; gt done")).passed
    assert "comes too early" in ordered.judge(_ran("git commit; git add a; gt done")).reason
    assert "the last command" in ordered.judge(_ran("git add a", "git commit")).reason
    assert "at most 3" in ordered.judge(_ran("ls; git add a; git commit; gt done")).reason


def test_what_must_not_be_run_is_named() -> None:
    check = Runs(check="runs", none=("bd close .*--force",))

    assert check.judge(_ran("bd close gt-1 --force")).reason.startswith("'bd close gt-1 --force' matches")


def test_commands_that_failed_are_named_with_their_last_line() -> None:
    fine, bad = Ran("true", 0, ""), Ran("bd complete gt-1", 1, "Error: no such\ncommand\n")

    assert Worked(check="worked").judge(Evidence("crew", [], [fine])).passed
    assert "exit code 1: command" in Worked(check="worked").judge(Evidence("crew", [], [fine, bad])).reason
    assert Worked(check="worked", failures=1).judge(Evidence("crew", [], [bad])).passed
    assert not Worked(check="worked").judge(Evidence("crew", [])).passed
