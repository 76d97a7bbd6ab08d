# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.eval.eval_tasks import choose_items, choose_tasks
from node0.errors import ConfigError


def test_a_suite_is_whole_unless_something_is_left_out(suite: Path) -> None:
    every = choose_tasks(suite, categories=(), role=None)

    assert (every.suite, len(every.tasks), every.is_whole) == ("patrol", 3, True)
    assert choose_tasks(suite, categories=("patrol",), role=None).is_whole


def test_a_category_that_is_not_there_is_refused_with_the_nearest(suite: Path) -> None:
    with pytest.raises(ConfigError, match="no category 'patrl'; did you mean 'patrol'"):
        choose_tasks(suite, categories=("patrl",), role=None)


def test_a_role_without_tasks_is_refused(suite: Path) -> None:
    with pytest.raises(ConfigError, match="no task of role mayor"):
        choose_tasks(suite, categories=(), role="mayor")


def test_a_directory_of_items_is_a_suite_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "own" / "planning").mkdir(parents=True)
    (tmp_path / "own" / "planning" / "one.yaml").write_text(ITEMS)

    found = choose_tasks(tmp_path / "own", categories=(), role=None)

    assert (found.suite, [task.id for task in found.tasks]) == ("own", ["plan-a"])
    with pytest.raises(ConfigError, match="its roles are: polecat"):
        choose_tasks(tmp_path / "own", categories=(), role="mayor")


def test_items_are_chosen_without_a_sandbox_and_never_of_promptfoo(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own" / "planning").mkdir(parents=True)
    (tmp_path / "own" / "planning" / "one.yaml").write_text(ITEMS)
    monkeypatch.setenv("PATH", str(tmp_path))

    found = choose_items(None, categories=("git_workflow",), role=None)
    own = choose_items(tmp_path / "own", categories=(), role="polecat")

    assert (found.suite, len(found.items)) == ("roles", 40)
    assert (own.suite, [item.id for item in own.items]) == ("own", ["plan-a"])
    with pytest.raises(ConfigError, match="is promptfoo's; give a directory of items"):
        choose_items(suite, categories=(), role=None)


ITEMS = """
- id: plan-a
  role: polecat
  difficulty: easy
  tags: [words]
  prompt: Say yes.
  checks: [{check: says, all: ["yes"]}]
  reference: [{say: "yes"}]
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("replay", "replay is what --replay is called; rename it"),
        ("roles", "roles is what the shipped suite is called; rename it"),
        ("held-out", "held-out is what node0 measure keeps; rename it"),
    ],
)
def test_a_suite_has_no_name_by_which_the_gate_knows_something_else(
    name: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text("{prompts: [hi], tests: [{assert: [{type: equals, value: hi}]}]}\n")

    with pytest.raises(ConfigError, match=told):
        choose_tasks(file, categories=(), role=None)
