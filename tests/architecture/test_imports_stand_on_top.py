# SPDX-License-Identifier: Apache-2.0
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "node0"
COMMANDS = SOURCE / "commands"
MODULES = sorted(SOURCE.rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _imported(node: ast.stmt) -> list[str]:
    """The modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [name.name for name in node.names] if isinstance(node, ast.Import) else []


def _in_functions(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every import of this project that a function makes."""
    for function in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and any(re.match(r"node0\b", name) for name in _imported(node)):
                yield node


def _without_reason(text: str) -> list[str]:
    lines = text.splitlines()
    found = {node.lineno for node in _in_functions(ast.parse(text)) if "  # " not in lines[node.lineno - 1]}
    return [f"{number}: {lines[number - 1].strip()}" for number in sorted(found)]


def _lazy_imports(text: str) -> list[tuple[str, str, list[str]]]:
    """Each name that stands in for a module, the module, and what the type checker is told of the name."""
    tree = ast.parse(text)
    told = {
        (name.asname or name.name): f"{node.module}.{name.name}"
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    calls = [
        (ast.unparse(node.targets[0]), node.value.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "when_called"
    ]
    return [(name, str(ast.literal_eval(module)), [told.get(name, "")]) for name, module in calls]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_an_import_of_the_project_in_a_function_has_its_reason_on_its_line(path: Path) -> None:
    assert _without_reason(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("from node0.models import split", 1),
        ("import node0.models.split as split", 1),
        ("from node0.models import split  # it is not installed everywhere", 0),
        ("import torch", 0),
        ("from node0_other import split", 0),
    ],
)
def test_the_rule_finds_an_import_without_a_reason(line: str, count: int) -> None:
    assert len(_without_reason(f"{line}\ndef work():\n    if True:\n        {line}\n")) == count


@pytest.mark.parametrize(
    "path", sorted(COMMANDS.rglob("*.py")), ids=lambda path: str(path.relative_to(COMMANDS))
)
def test_a_stand_in_is_the_module_that_the_type_checker_reads(path: Path) -> None:
    for name, module, told in _lazy_imports(path.read_text(encoding="utf-8")):
        assert [module] == told, name
        assert SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py").is_file()


def test_every_command_has_its_work_imported_when_it_is_called() -> None:
    options = [path for path in COMMANDS.rglob("*_options.py") if path.stem not in GATHER]

    without = [path.stem for path in options if not _lazy_imports(path.read_text(encoding="utf-8"))]

    assert len(options) > 10
    assert without == []


def test_only_options_know_the_command_line() -> None:
    users = {
        str(path.relative_to(COMMANDS))
        for path in COMMANDS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.stmt) and "typer" in _imported(node)
    }

    assert users
    assert [name for name in users if not re.search(r"_(options|arguments)\.py$", name)] == []


GATHER = {"common_options", "corpus_options"}
"Options and apps that others use; they do no work of their own."
