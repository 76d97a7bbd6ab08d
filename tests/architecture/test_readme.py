# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

import readme_tree
from node0 import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(page: Path) -> str:
    """Text with links outside code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def _code(page: Path) -> list[str]:
    """Lines that a reader may type: shell blocks, and code in a line."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", _prose(page))
    return [line.strip() for line in "\n".join([*blocks, *inline]).splitlines()]


def test_the_file_tree_is_the_one_of_today() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert text == readme_tree.with_tree(text), "run: make docs"


def test_every_module_has_a_line_in_the_file_tree() -> None:
    modules = [path for path in (ROOT / "src").rglob("*.py") if path.name != "__init__.py"]

    tree = readme_tree.tree()

    assert [path.name for path in modules if f" {path.name} " not in tree] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", _prose(page))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_make_targets_and_commands_that_a_page_names_exist(page: Path) -> None:
    lines = _code(page)
    targets = {found for line in lines for found in re.findall(r"(?:^|&& )make ([a-z-]+)", line)}
    commands = {found for line in lines for found in re.findall(r"(?:^|[|&$] ?)node0 ([a-z]+)", line)}

    assert targets <= TARGETS
    assert commands <= set(cli.COMMANDS)


def test_the_first_screen_has_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40]

    assert {"make demo", "make test"} <= {line.partition("#")[0].strip() for line in first}
