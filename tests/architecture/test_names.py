# SPDX-License-Identifier: Apache-2.0
"""Names of modules and the first lines of their docstrings, which are the project's table of contents."""

import ast
from collections import defaultdict
from pathlib import Path

from architecture.plan_files import MODIFIED_FILES, NEW_FILES
from architecture.source_tree import MODULES, name, syntax


def test_no_two_modules_have_the_same_first_line() -> None:
    told = defaultdict(list)
    for path in MODULES:
        told[(ast.get_docstring(syntax(path)) or "").partition("\n")[0]].append(name(path))

    assert [paths for paths in told.values() if len(paths) > 1] == []


def test_no_two_modules_share_a_name_but_where_the_plan_gave_it() -> None:
    named = defaultdict(list)
    for path in MODULES:
        named[path.name].append(path)

    assert [[name(path) for path in paths] for paths in named.values() if not _may_share(paths)] == []


def _may_share(paths: list[Path]) -> bool:
    """Whether the plan named all of them, or all but one that the others do nothing but hand on."""
    planned = [path for path in paths if name(path) in {*NEW_FILES, *MODIFIED_FILES}]
    return (
        len(paths) == 1 or paths == planned or len(paths) - 1 == len(planned) == sum(map(_is_thin, planned))
    )


def _is_thin(path: Path) -> bool:
    """Whether a module does nothing but import."""
    return not [
        node
        for node in syntax(path).body
        if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) and "__" not in ast.unparse(node)
    ]
