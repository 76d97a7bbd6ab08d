# SPDX-License-Identifier: Apache-2.0
"""Write the file tree of docs/architecture.md from the first line of every module's docstring."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree -->\n", "<!-- end of tree -->\n"
FOLDERS = ("src/node0", "attack", "examples", "bench", "tools")


def main() -> int:
    """Rewrite the tree in the page; 1 when the page has no place for it."""
    text = PAGE.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{PAGE.name} has no lines {BEGIN.strip()} and {END.strip()}", file=sys.stderr)
        return 1
    PAGE.write_text(with_tree(text), encoding="utf-8")
    return 0


def with_tree(text: str) -> str:
    """The page's text with the tree of today between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}```\n{tree()}```\n{END}{after}"


def tree() -> str:
    """One line a folder and one line a module with a docstring."""
    return "".join(f"{line}\n" for folder in FOLDERS for line in _folder(ROOT / folder, name=folder, depth=0))


def _folder(folder: Path, *, name: str, depth: int) -> Iterator[str]:
    modules = [(path, line) for path in sorted(folder.glob("*.py")) if (line := first_line(path))]
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name != "__pycache__"]
    inner = [line for path in below for line in _folder(path, name=path.name, depth=depth + 1)]
    if not modules and not inner:
        return
    yield f"{'  ' * depth}{name}/"
    for path, line in modules:
        yield f"{'  ' * (depth + 1)}{path.name:<24} {line}"
    yield from inner


def first_line(path: Path) -> str:
    """First line of a module's docstring; empty when it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
