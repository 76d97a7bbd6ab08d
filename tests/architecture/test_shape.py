# SPDX-License-Identifier: Apache-2.0
"""Sizes, names and places of files and functions."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from architecture.source_tree import EVERY_FILE, MODULES, ROOT, SOURCE, name, syntax

UNIT = ROOT / "tests" / "unit"
REAL_PARTS = sorted(
    path for folder in ("integration", "gastown") for path in (ROOT / "tests" / folder).rglob("test_*.py")
)
SOURCES = sorted(SOURCE.rglob("*.py"))
MAX_LINES, MAX_STATEMENTS, MAX_MODULES = 400, 40, 20


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_a_module_is_short_and_names_its_license(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= MAX_LINES
    assert not lines or lines[0] == "# SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_a_function_has_no_more_statements_than_one_can_hold_in_mind(path: Path) -> None:
    functions = [
        node for node in ast.walk(syntax(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [node.name for node in functions if _statements(node) > MAX_STATEMENTS] == []


def _statements(function: ast.AST) -> int:
    """Statements inside a function, those of the functions in it included."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


def test_the_linter_has_the_same_bound_for_statements() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert ruff["pylint"]["max-statements"] == MAX_STATEMENTS
    assert "PLR" in ruff["select"]


def test_no_folder_holds_more_modules_than_one_can_look_over() -> None:
    held = Counter(name(path.parent) for path in MODULES)

    assert {folder: count for folder, count in held.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_says_what_it_is_for_and_a_package_is_empty(path: Path) -> None:
    tree = syntax(path)

    if path.name == "__init__.py":
        assert tree.body == []
    else:
        assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_ends_the_process_through_the_console_only(path: Path) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(syntax(path)) if isinstance(node, ast.Call)}

    # A rank has to be gone before Python is: it says why.
    allowed = {"os._exit"} if path.name == "rank_end.py" else set()
    assert calls.isdisjoint({"exit", "quit", "os._exit", "os.abort"} - allowed)
    assert "sys.exit" not in calls or path.name.startswith("run_") or path.name == "__main__.py"


@pytest.mark.parametrize("path", sorted(UNIT.rglob("test_*.py")), ids=name)
def test_unit_tests_lie_where_their_subject_lies(path: Path) -> None:
    folder = path.parent.relative_to(UNIT)

    assert (SOURCE / folder).is_dir() or (ROOT / folder).is_dir()


@pytest.mark.parametrize("path", REAL_PARTS, ids=name)
def test_tests_with_real_parts_are_marked(path: Path) -> None:
    assert re.search(r"^pytestmark = (\[\n?)?\s*pytest\.mark\.integration", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=name)
def test_the_name_of_a_test_is_a_sentence(path: Path) -> None:
    names = [
        node.name
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]

    assert names
    assert [name for name in names if len(name.split("_")) < 3] == []
