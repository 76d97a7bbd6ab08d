# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from typing import Any, cast

import pytest
from runs_here import RunsHere

from node0.finetune.eval.effect.made_states import MOST_WORDS, STATUSES, TYPES, MadeState, made_states
from node0.finetune.eval.effect.script import Script, parsed
from node0.finetune.eval.suite.place import SandboxPlace, open_place


def script(text: str) -> Script:
    found = parsed(text)
    assert found is not None
    return found


def states(*texts: str) -> list[MadeState]:
    return made_states([script(text) for text in texts])


def opened(*texts: str) -> Iterator[SandboxPlace]:
    for state in states(*texts):
        with open_place(state.setup, cast(Any, RunsHere())) as place:
            yield place


def test_a_named_bead_is_there_in_every_condition() -> None:
    found = [
        {bead.id: bead for bead in state.setup.beads} for state in states("bd close gt-1", "bd show gt-2")
    ]

    assert [beads["gt-1"].status for beads in found] == ["open", "in_progress", "closed", "open"]
    assert [beads["gt-2"].status for beads in found] == ["open", "in_progress", "closed", "open"]
    assert found[3]["gt-1"].needs and found[3]["gt-1.9"].parent == "gt-1"
    assert not any(state.setup.git for state in states("bd close gt-1"))


def test_beads_of_every_kind_stand_around_so_that_filters_differ() -> None:
    (beads, *_) = [state.setup.beads for state in states("bd list --label urgent -a rosa")]

    assert {(bead.status, bead.type) for bead in beads} >= {(one, kind) for one in STATUSES for kind in TYPES}
    assert any("urgent" in bead.labels for bead in beads)
    assert any(bead.assignee == "rosa" for bead in beads)
    assert {bead.priority for bead in beads} == set(range(5))


def test_a_script_that_names_too_much_is_not_tried() -> None:
    named = " ".join(f"gt-{number}" for number in range(MOST_WORDS + 1))

    assert states(f"bd close {named}") == []


@pytest.mark.parametrize(
    ("text", "tells", "wanted"),
    [
        ("git add src/a.py", "git status --short src/a.py", ["MM src/a.py", "?? src/a.py", "", ""]),
        ("git switch feat/x", "git branch --list feat/x --format=ok", ["", "", "ok", "ok"]),
        ("git add .", "git branch --show-current", ["main", "main", "topic-0", "main"]),
        ("git stash pop", "git stash list | wc -l", ["0", "0", "1", "0"]),
        ("git merge up", "git log --oneline HEAD..up 2>/dev/null | wc -l", ["0", "0", "1", "1"]),
        ("git merge up", "git log --oneline up..HEAD 2>/dev/null | wc -l", ["0", "0", "2", "0"]),
        ("git log -5", "test $(git log --oneline | wc -l) -gt 30 && echo long", ["long"] * 4),
    ],
)
def test_a_repository_is_in_one_condition_after_the_other(text: str, tells: str, wanted: list[str]) -> None:
    assert [place.run(tells).output.strip() for place in opened(text)] == wanted


def test_the_last_repository_is_apart_from_its_remote_and_worked_on_from_below() -> None:
    *_, last = states("git add a.py")
    with open_place(last.setup, cast(Any, RunsHere())) as place:
        pulled = place.run(
            "git fetch -q; git log --oneline HEAD..origin/main; git log --oneline origin/main..HEAD"
        )
        status = place.run("git status --short").output

    assert last.place == "sub"
    assert "Add theirs" in pulled.output and "Add ours" in pulled.output
    assert " M sub/a.py" in status and " M README.md" in status


def test_beads_and_a_repository_are_made_together() -> None:
    found = states("bd close gt-1 && git commit -am x")

    assert len(found) == 4
    assert all(state.setup.git and state.setup.beads and state.place == "." for state in found)
