# SPDX-License-Identifier: Apache-2.0
"""The project's own Python files, and who imports whom."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "node0"
FOLDERS = ("src", "attack", "tests", "bench", "examples", "tools")
EVERY_FILE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")

Graph = Mapping[str, set[str]]


def name(path: Path) -> str:
    """A file's path from the root of the repository: how tests speak of it."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """`node0.finetune.config` for src/node0/finetune/config.py."""
    return ".".join(("node0", *path.relative_to(SOURCE).with_suffix("").parts))


@cache
def syntax(path: Path) -> ast.Module:
    """A file's syntax tree, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def import_graph() -> Graph:
    """Each module and the modules that it imports anywhere: in functions and for type checkers too."""
    modules = {module_name(path): path for path in MODULES}
    return {module: imported(syntax(path)) & modules.keys() for module, path in modules.items()}


def imported(tree: ast.Module) -> set[str]:
    """Every dotted name that an import anywhere in a file may mean."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def circles(graph: Graph) -> list[str]:
    """One shortest circle through each module that is in one, as `a -> b -> a`, each circle once."""
    found = {}
    for start in sorted(graph):
        if circle := _way_back(graph, start):
            found.setdefault(frozenset(circle), " -> ".join(circle))
    return sorted(found.values())


def _way_back(graph: Graph, start: str) -> list[str]:
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for target in sorted(graph[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []
