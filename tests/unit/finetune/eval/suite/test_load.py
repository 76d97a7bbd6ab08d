# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.eval.suite.item import Category
from node0.finetune.eval.suite.load import load_suite

ITEM = """
- id: {id}
  role: {role}
  difficulty: easy
  tags: [a]
  prompt: Say yes.
  checks: [{{check: says, all: ["yes"]}}]
  reference: [{{say: "yes"}}]
"""


def _file(root: Path, text: str, *, category: str = "planning", name: str = "a.yaml") -> Path:
    (root / category).mkdir(exist_ok=True)
    (root / category / name).write_text(text)
    return root


def test_a_directory_of_items_is_read_by_category_and_file(tmp_path: Path) -> None:
    _file(tmp_path, ITEM.format(id="b-two", role="crew"), name="b.yaml")
    _file(tmp_path, ITEM.format(id="a-one", role="mayor"))
    _file(tmp_path, ITEM.format(id="g-one", role="crew"), category="git_workflow")

    items = load_suite(tmp_path)

    assert [item.id for item in items] == ["g-one", "a-one", "b-two"]
    assert items[0].category is Category.GIT_WORKFLOW
    assert [item.id for item in load_suite(tmp_path, categories=[Category.PLANNING])] == ["a-one", "b-two"]
    assert [item.id for item in load_suite(tmp_path, role="crew")] == ["g-one", "b-two"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is no YAML"),
        ("a: 1", "holds a dict; write a list"),
        ("- 3", "item 3"),
        ("- {id: x-y}", "item 'x-y'.*required"),
        (ITEM.format(id="x-y", role="crew") * 2, "a second item 'x-y'"),
        (ITEM.format(id="x-y", role="NOBODY"), "role"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    _file(tmp_path, text)

    with pytest.raises(ConfigError, match=told) as refused:
        load_suite(tmp_path)

    assert "\n" not in str(refused.value)


def test_the_shipped_suite_has_forty_items_a_category_over_the_roles() -> None:
    items = load_suite()

    for category in Category:
        of_it = [item for item in items if item.category is category]
        assert len(of_it) >= 40
        assert len({item.difficulty for item in of_it}) == 3
        assert len({item.prompt for item in of_it}) == len(of_it)
    assert {item.role for item in items} >= {
        "mayor",
        "deacon",
        "witness",
        "refinery",
        "polecat",
        "crew",
        "dog",
        "boot",
    }
    assert len({tag for item in items for tag in item.tags}) > 40


def test_an_item_of_the_shipped_suite_offers_what_its_reference_uses() -> None:
    names = {"bash": "Bash", "write": "Write", "edit": "Edit"}
    for item in load_suite():
        used = {names[kind] for turn in item.reference for kind in names if getattr(turn, kind)}
        assert used <= set(item.tools), item.id
