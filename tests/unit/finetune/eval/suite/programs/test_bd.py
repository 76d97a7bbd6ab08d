# SPDX-License-Identifier: Apache-2.0
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.eval.suite.programs.bd import main


class Town:
    """A store, and commands given as they are typed."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys

    def bd(self, line: str) -> str:
        """Output of a command that must succeed."""
        assert main(shlex.split(line), self.path) == 0, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    def refused(self, line: str) -> str:
        """What a command says that must fail, and change nothing."""
        before = self.path.read_bytes() if self.path.exists() else b""
        assert main(shlex.split(line), self.path) == 1
        assert (self.path.read_bytes() if self.path.exists() else b"") == before
        return self.capsys.readouterr().err

    def bead(self, name: str) -> dict[str, Any]:
        """A bead as it is kept."""
        return dict(json.loads(self.path.read_text())["beads"][name])


@pytest.fixture
def town(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Town:
    return Town(tmp_path / "store.json", capsys)


def test_a_bead_is_created_with_what_its_flags_say(town: Town) -> None:
    line = (
        "create 'Fix it' -t bug -p P1 -d 'It breaks' -l a,b --label c -a me --acceptance 'It works' --silent"
    )

    assert town.bd(line) == "gt-n01\n"
    bead = town.bead("gt-n01")
    assert (bead["title"], bead["type"], bead["priority"]) == ("Fix it", "bug", 1)
    assert (bead["labels"], bead["assignee"], bead["acceptance"]) == (["a", "b", "c"], "me", "It works")


def test_ids_of_children_follow_their_parent(town: Town) -> None:
    town.bd("create Epic -t epic")

    assert "gt-n01.1" in town.bd("create One --parent gt-n01")
    assert "gt-n01.2" in town.bd("create Two --parent gt-n01")
    assert "no issue found" in town.refused("create Three --parent gt-n09")


def test_dependencies_of_a_new_bead_point_as_bd_has_them(town: Town) -> None:
    town.bd("create First")
    town.bd("create Second --deps gt-n01")
    town.bd("create Third --deps blocks:gt-n02")
    town.bd("create Fourth --deps discovered-from:gt-n01")

    assert town.bead("gt-n02")["needs"] == [["gt-n01", "blocks"], ["gt-n03", "blocks"]]
    assert town.bead("gt-n04")["needs"] == [["gt-n01", "discovered-from"]]


def test_what_waits_is_blocked_and_the_rest_is_ready(town: Town) -> None:
    town.bd("create First -p 3")
    town.bd("create Second -p 0")
    town.bd("dep add gt-n02 gt-n01")

    assert town.bd("ready").startswith("gt-n01")
    assert town.bd("blocked").endswith("(blocked by: gt-n01)\n")
    town.bd("close gt-n01 --reason 'it works'")
    assert town.bd("ready").startswith("gt-n02")
    assert town.bead("gt-n01")["close_reason"] == "it works"


def test_circles_are_refused_also_through_children(town: Town) -> None:
    town.bd("create First")
    town.bd("create Second --deps gt-n01")
    town.bd("create Epic -t epic")
    town.bd("create Child --parent gt-n03 --deps gt-n02")

    assert "cycle" in town.refused("dep add gt-n01 gt-n02")
    assert "cycle" in town.refused("dep add gt-n01 gt-n03")
    assert "cycle" in town.refused("dep add gt-n01 gt-n01")


def test_nothing_is_closed_before_what_it_waits_for(town: Town) -> None:
    town.bd("create Epic -t epic")
    town.bd("create Child --parent gt-n01")
    town.bd("create After --deps gt-n01.1")

    assert "open child" in town.refused("close gt-n01")
    assert "blocked by" in town.refused("close gt-n02")
    town.bd("close gt-n01.1 gt-n02")
    town.bd("close gt-n01")


def test_updates_change_only_what_they_name(town: Town) -> None:
    town.bd("create Work -p 3 -l old")

    town.bd("update gt-n01 --status in_progress --add-label new --remove-label old --append-notes one")
    town.bd("update gt-n01 --append-notes two --type feat")

    bead = town.bead("gt-n01")
    assert (bead["status"], bead["priority"], bead["labels"]) == ("in_progress", 3, ["new"])
    assert (bead["notes"], bead["type"]) == ("one\ntwo", "feature")


def test_a_claim_takes_a_free_bead_only(town: Town) -> None:
    town.bd("create Free")
    town.bd("create Taken -a crew/x")

    town.bd("update gt-n01 --claim")

    assert town.bead("gt-n01")["status"] == "in_progress"
    assert "claimed by crew/x" in town.refused("update gt-n02 --claim")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "complete gt-n01",
        "update gt-n01 --status done",
        "create",
        "create x -p 7",
        "create x -t wish",
        "update",
        "close gt-n77",
        "create x --colour red",
        "create x --prio 1",
        "dep add gt-n01",
        "dep remove gt-n01 gt-n02",
        "dep add gt-n01 gt-n02 --type hates",
        "comment gt-n01",
        "label add gt-n01",
    ],
)
def test_what_bd_does_not_know_is_refused(town: Town, line: str) -> None:
    town.bd("create One")
    town.bd("create Two")

    assert town.refused(line).startswith("Error: ")


def test_lists_are_filtered_and_ordered_by_priority(town: Town) -> None:
    town.bd("create Low -p 4 -l ui")
    town.bd("create High -p 0 -t bug")
    town.bd("create Gone")
    town.bd("close gt-n03")

    assert [row["id"] for row in json.loads(town.bd("list --json"))] == ["gt-n02", "gt-n01"]
    assert [row["id"] for row in json.loads(town.bd("list --all --json --status closed"))] == ["gt-n03"]
    assert town.bd("list --type bug").startswith("gt-n02 [open] [P0] [bug] High")
    assert town.bd("list -l ui --priority P4").startswith("gt-n01")
    assert town.bd("list --status open,closed").count("\n") == 3


def test_a_bead_is_shown_with_comments_and_dependencies(town: Town) -> None:
    town.bd("create One")
    town.bd("create Two --deps gt-n01 -d why")
    town.bd("comment gt-n02 looked at it")
    town.bd("comments add gt-n02 'and again'")
    town.bd("label add gt-n02 hot")

    text = town.bd("show gt-n02")
    assert "depends on (blocks): gt-n01" in text
    assert "comment: looked at it" in text
    assert "labels: hot" in text
    assert json.loads(town.bd("show gt-n02 --json"))[0]["dependencies"] == [
        {"depends_on_id": "gt-n01", "type": "blocks"}
    ]
    assert town.bd("dep list gt-n02").startswith("gt-n01")
    assert town.bd("comments gt-n02") == "looked at it\nand again\n"
    town.bd("dep remove gt-n02 gt-n01")
    town.bd("label remove gt-n02 hot")
    town.bd("reopen gt-n02")
    assert "hot" not in town.bd("show gt-n02")
