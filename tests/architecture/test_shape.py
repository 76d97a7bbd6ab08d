# SPDX-License-Identifier: Apache-2.0
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "node0"
UNIT, INTEGRATION = ROOT / "tests" / "unit", ROOT / "tests" / "integration"
MODULES = sorted(SOURCE.rglob("*.py"))
ALL = sorted(
    path
    for folder in ("src", "tests", "bench", "examples", "tools")
    for path in (ROOT / folder).rglob("*.py")
)
MAX_LINES = 400


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_a_module_is_short_and_names_its_license(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= MAX_LINES
    assert not lines or lines[0] == "# SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_what_it_is_for_and_a_package_is_empty(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    if path.name == "__init__.py":
        assert tree.body == []
    else:
        assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_ends_the_process_through_the_console_only(path: Path) -> None:
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }

    assert calls.isdisjoint({"exit", "quit", "os._exit", "os.abort"})
    assert "sys.exit" not in calls or path.name.startswith("run_") or path.name == "__main__.py"


@pytest.mark.parametrize("path", sorted(UNIT.rglob("test_*.py")), ids=_name)
def test_unit_tests_lie_where_their_subject_lies(path: Path) -> None:
    folder = path.parent.relative_to(UNIT)

    assert (SOURCE / folder).is_dir() or (ROOT / folder).is_dir()


@pytest.mark.parametrize("path", sorted(INTEGRATION.rglob("test_*.py")), ids=_name)
def test_integration_tests_are_marked(path: Path) -> None:
    assert re.search(r"^pytestmark = (\[\n?)?\s*pytest\.mark\.integration", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=_name)
def test_the_name_of_a_test_is_a_sentence(path: Path) -> None:
    names = [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]

    assert names
    assert [name for name in names if len(name.split("_")) < 3] == []
