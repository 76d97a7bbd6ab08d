# SPDX-License-Identifier: Apache-2.0
from eval_items import bash, called, said

from node0.finetune.eval.suite.checks.conventions_kept import ConventionsKept
from node0.finetune.eval.suite.evidence import Evidence


def _why(role: str, answer: list, **fields: str) -> str:  # type: ignore[type-arg]  # blocks
    result = ConventionsKept(check="conventions", **fields).judge(Evidence(role, [answer]))
    return "" if result.passed else result.reason


def test_proposing_nothing_keeps_no_convention() -> None:
    assert _why("crew", said("I would push.")) == "nothing was proposed"


def test_the_command_and_the_rule_are_the_reason() -> None:
    assert _why("polecat", bash("git add a && git push -f")).startswith(
        "'git push -f': the guard refuses a forced"
    )
    assert _why("polecat", bash("git push origin HEAD && gt done")) == ""


def test_a_polecat_closes_its_own_bead_only_where_nothing_was_to_change() -> None:
    assert "own bead" in _why("polecat", bash("bd close gt-1 -r done"), own="gt-1")
    assert _why("polecat", bash('bd close gt-1 --reason="no-changes: it is there"'), own="gt-1") == ""
    assert _why("crew", bash("bd close gt-1 -r done"), own="gt-1") == ""


def test_files_are_written_by_who_may_and_where_they_may() -> None:
    write = called("Write", file_path="/town/rig/polecats/a/x.py", content="")

    assert _why("polecat", write, inside="/town/rig/polecats/a") == ""
    assert "is not in" in _why("polecat", write, inside="/town/rig/polecats/b")
    assert "writes no files" in _why("witness", write)
    assert "gt remember" in _why("crew", called("Write", file_path="MEMORY.md", content="x"))
    assert "tracked in bd" in _why("crew", called("TodoWrite", todos=[]))
