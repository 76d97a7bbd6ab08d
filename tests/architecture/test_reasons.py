# SPDX-License-Identifier: Apache-2.0
"""What switches a check off, or catches everything, says why on its line."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from architecture.source_tree import EVERY_FILE, name

DIRECTIVE = re.compile(r"# (?:noqa: [A-Z0-9, ]*[0-9]|type: ignore\[[\w, -]+\])")
BARE = re.compile(r"# (?:noqa(?!:)|type: ignore(?!\[))")
REASON = re.compile(r"# [\w`]")


def unexplained(source: str) -> list[int]:
    """Numbers of the lines that switch a check off, or catch everything, without a reason."""
    comments = _comments(source)
    silent = {line for line, text in comments.items() if _is_unexplained(text)}
    caught = {line for line in _broad(ast.parse(source)) if not _reason(comments.get(line, ""))}
    return sorted(silent | caught)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _is_unexplained(comment: str) -> bool:
    return bool(BARE.search(comment) or (DIRECTIVE.search(comment) and not _reason(comment)))


def _reason(comment: str) -> bool:
    return bool(REASON.search(DIRECTIVE.sub("", comment)))


def _broad(tree: ast.Module) -> Iterator[int]:
    """Handlers of every exception; one that cleans up and raises again hides nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kind = ast.unparse(node.type) if node.type else "BaseException"
            again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if kind == "Exception" or (kind == "BaseException" and not again):
                yield node.lineno


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_what_switches_a_check_off_says_why_on_its_line(path: Path) -> None:
    assert unexplained(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: E731",
        "x = 1  # noqa: PLR0913, PLR0917",
        "x = 1  # noqa",
        "x = 1  # type: ignore[arg-type]",
        "x = 1  # type: ignore[arg-type,union-attr]  # noqa: E731",
        "x = 1  # type: ignore",
        "try: x()\nexcept Exception: pass",
        "try: x()\nexcept: pass",
        "try: x()\nexcept BaseException as error:  # noqa: BLE001\n    print(error)",
    ],
)
def test_a_missing_reason_is_found(line: str) -> None:
    assert unexplained(line) == [len(line.splitlines()[:2])]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: E731  # typed",
        "x = 1  # type: ignore[misc]  # hivemind has no types",
        "try: x()\nexcept Exception:  # its libraries raise kinds of their own\n    pass",
        "try: x()\nexcept BaseException:\n    print()\n    raise",
        "'# noqa'",
    ],
)
def test_a_reason_is_accepted(line: str) -> None:
    assert unexplained(line) == []
