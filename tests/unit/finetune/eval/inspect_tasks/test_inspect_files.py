# SPDX-License-Identifier: Apache-2.0
"""The files as inspect-ai reads them, looked at without it: tests/integration/test_inspect.py runs them."""

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from eval_items import an_item

from node0.finetune.eval.inspect_tasks.inspect_files import TASK_FILE, sample, write_inspect
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.eval.suite.item import Category, EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.suite_task import SuiteTask

FIELDS = {"id", "input", "target", "metadata"}
"Of those that inspect-ai reads without a mapping; any other name would be dropped in silence."


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("inspect")
    write_inspect(load_suite(), place, suite="roles")
    return place


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _tasks(file: Path) -> list[str]:
    """What inspect-ai finds in a file: functions with the decorator `task`, by the syntax alone."""
    return [
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(each, ast.Name) and each.id == "task" for each in node.decorator_list)
    ]


def test_every_category_is_a_task_with_its_dataset_beside_it(written: Path) -> None:
    assert sorted(_tasks(written / TASK_FILE)) == sorted(Category)
    assert {file.name for file in written.iterdir()} == {TASK_FILE, *(f"{name}.jsonl" for name in Category)}


def test_the_samples_are_the_suite_and_can_be_judged_as_it(written: Path) -> None:
    items = load_suite()
    rows = [row for category in Category for row in _rows(written / f"{category}.jsonl")]
    read = [EvalItem.model_validate(row["metadata"]["item"]) for row in rows]

    assert len(rows) == 206
    assert read == items
    assert suite_digest([SuiteTask(item, None) for item in read]) in (written / TASK_FILE).read_text()
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("category", Category)
def test_a_sample_asks_what_the_item_asks(category: Category, written: Path) -> None:
    for row, item in zip(
        _rows(written / f"{category}.jsonl"), load_suite(categories=[category]), strict=True
    ):
        request = item.request()
        assert row.keys() == FIELDS
        assert [message["role"] for message in row["input"]] == ["system", "user"]
        assert [message["content"] for message in row["input"]] == [request["system"], item.question]
        assert all(isinstance(message["content"], str) for message in row["input"])
        assert row["target"].strip()


def test_a_reference_in_several_turns_is_one_target() -> None:
    item = an_item(turns=2, tools=["Bash"], reference=[{"bash": ["bd list"]}, {"say": "yes"}])

    row = sample(item)

    assert row["target"] == 'Bash {"command": "bd list"}\n\nyes'
    assert (row["metadata"]["role"], row["metadata"]["tags"]) == ("mayor", ["test"])


def test_what_the_task_file_takes_from_this_package_is_there(written: Path) -> None:
    tree = ast.parse((written / TASK_FILE).read_text(encoding="utf-8"))
    taken = [
        (node.module or "", name.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("node0.")
        for name in node.names
    ]

    assert len(taken) > 5
    assert [each for each in taken if not hasattr(importlib.import_module(each[0]), each[1])] == []


def test_only_categories_with_items_are_written_and_any_name_of_a_suite(tmp_path: Path) -> None:
    write_inspect([an_item()], tmp_path, suite='a "suite" of $mine\n')

    constants = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse((tmp_path / TASK_FILE).read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert _tasks(tmp_path / TASK_FILE) == ["planning"]
    assert [row["id"] for row in _rows(tmp_path / "planning.jsonl")] == ["an-item"]
    assert constants["SUITE"] == 'a "suite" of $mine\n'


def test_the_same_suite_makes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_inspect(load_suite(), tmp_path, suite="roles")

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in written.iterdir()
    }
