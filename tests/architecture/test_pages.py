# SPDX-License-Identifier: Apache-2.0
"""What the pages say exists: links, make targets, commands with their options, extras, the file tree."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from architecture.source_tree import MODULES, ROOT, name

import file_tree
from node0 import cli

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"
README_LINES = 160
CONFIGS = ROOT / "src" / "node0" / "configs" / "finetune"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _prose(page: Path) -> str:
    """Text with links outside code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def _code(page: Path) -> list[str]:
    """Lines that a reader may type: shell blocks, and code in a line."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", _prose(page))
    whole = "\n".join([*blocks, *inline]).replace("\\\n", " ")
    return [line.strip() for line in whole.splitlines()]


def test_the_file_tree_is_the_one_of_today() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")

    assert text == file_tree.with_tree(text), "run: make docs"


def test_every_module_has_a_line_in_the_file_tree() -> None:
    tree = file_tree.tree()

    assert [path.name for path in MODULES if f" {path.name} " not in tree] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", _prose(page))

    for target, heading in links:
        file = page.parent / target if target else page
        assert file.exists()
        assert not heading or heading in _headings(file)


def _headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_and_extras_that_a_page_names_exist(page: Path) -> None:
    lines = _code(page)
    targets = {found for line in lines for found in re.findall(r"(?:^|&& )make ([a-z-]+)", line)}
    extras = {found for line in lines for found in re.findall(r"pip install .*'\.\[([\w,]+)\]'", line)}

    assert targets <= TARGETS
    assert {extra for found in extras for extra in found.split(",")} <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_a_page_names_exist_and_take_the_options_that_it_gives(page: Path) -> None:
    for line in _code(page):
        for words in _command_lines(line):
            command, rest = _command(words)
            unknown = {word.partition("=")[0] for word in rest if word.startswith("--")} - _options(command)

            assert unknown <= {"--help"}, line


def test_a_wrong_command_or_option_in_a_page_is_found() -> None:
    (words,) = _command_lines('echo "Patrol: what now?" | node0 infer --modell deacon --role deacon')
    command, rest = _command(words)

    assert {word for word in rest if word.startswith("--")} - _options(command) == {"--modell"}
    with pytest.raises(AssertionError, match="node0 swarm strat"):
        _command(["node0", "swarm", "strat"])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_shipped_adapter_is_trained_over_a_base(page: Path) -> None:
    assert _adapters_without_a_base(page) == []


def test_a_shipped_adapter_without_a_base_in_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\nnode0 finetune --config lora_sft_deacon.yaml --role deacon\n```\n")

    assert _adapters_without_a_base(page) == ["lora_sft_deacon.yaml"]


def _adapters_without_a_base(page: Path) -> list[str]:
    """The shipped files of adapters that a page trains over no base, which is refused."""
    lines = [words for line in _code(page) for words in _command_lines(line)]
    given = [_given(words, "--config") for words in lines if not _given(words, "--base-model")]
    return [file for file in given if _wants_a_base(CONFIGS / f"{file.removesuffix('.yaml')}.yaml")]


def _wants_a_base(shipped: Path) -> bool:
    if not shipped.is_file():
        return False
    settings = yaml.safe_load(shipped.read_text(encoding="utf-8"))["finetune_config"]["init_args"]
    return "lora" in settings and "base_model" not in settings


def _given(words: list[str], option: str) -> str:
    """The value of an option in a command line, or nothing."""
    spelled = [part for word in words for part in word.split("=", 1)]
    return next((value for name, value in pairwise(spelled) if name == option), "")


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    pages = [README, *(ROOT / "docs").glob("*.md")]
    linked = {
        (page.parent / target).resolve()
        for page in pages
        for target in re.findall(r"\]\(([^):#\s]+\.md)", _prose(page))
        if (page.parent / target).resolve() != page
    }

    assert [name(page) for page in pages[1:] if page not in linked] == []


def _command_lines(line: str) -> Iterator[list[str]]:
    """Every call of one of our commands in a shell line, as words."""
    for part in re.split(r"\s(?:\||&&)\s", re.sub(r"\s#\s.*", "", line)):
        if found := re.search(
            r"(?:^\$? ?|^torchrun .*-m )((?:node0|node0-\w+|node0\.run_\w+)(?: .*)?)$", part
        ):
            yield shlex.split(found[1])


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command, or the command of a group, that a line calls, and the words that follow its name."""
    first, *rest = words
    if first == "node0":
        assert not rest or rest[0] in {*cli.COMMANDS, "NAME", "..."} or rest[0].startswith("-"), " ".join(
            words
        )
        if not rest or rest[0] not in cli.COMMANDS:
            return None, []
        module, rest = cli.COMMANDS[rest[0]].module, rest[1:]
    else:
        module = PROJECT["scripts"].get(first, first).partition(":")[0]
    command = typer.main.get_command(import_module(module).app)
    while inner := getattr(command, "commands", None):
        if not rest or rest[0].startswith("-"):
            break
        assert rest[0] in inner, " ".join(words)
        command, rest = inner[rest[0]], rest[1:]
    return command, rest


def _options(command: Any) -> set[str]:
    """What a command takes; every command takes --debug."""
    parameters = command.params if command else []
    return {"--debug", *(name for item in parameters for name in [*item.opts, *item.secondary_opts])}


def test_the_readme_is_short_and_has_the_two_commands_on_its_first_screen() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= README_LINES
    assert {"make demo", "make test"} <= {line.partition("#")[0].strip() for line in lines[:40]}
