# SPDX-License-Identifier: Apache-2.0
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from node0.cli import COMMANDS
from node0.finetune.corpus.town.conventions import OUR_MARK
from node0.finetune.gastown.formula_files import formula_files
from node0.town import Town

NAMES = {"train-role-model", "corpus-collect", "eval-suite"}
PROGRAM = Path('/a place/it\'s "one" \\ two/node0')


@pytest.fixture
def formulas(tmp_path: Path) -> dict[str, str]:
    town = Town(tmp_path)
    town.formulas.parent.mkdir()
    files = formula_files(town, PROGRAM)
    assert all(path.parent == town.formulas and mode == 0o644 for path, (_, mode) in files.items())
    return {path.name.removesuffix(".formula.toml"): text for path, (text, _) in files.items()}


def calls(formula: dict[str, object]) -> Iterator[list[str]]:
    """The words of each command that a formula asks for, its variables filled in."""
    values = {"lora_rank": "8", "epochs": "2"}
    for step in formula["steps"]:
        for quoted in re.findall(r"`([^`]+)`", step["description"]):
            words = shlex.split(re.sub(r"\{\{(\w+)\}\}", lambda name: values.get(name[1], "deacon"), quoted))
            if len(words) > 1 and not quoted.startswith("-"):
                yield words


def parsed(words: list[str]) -> None:
    """Nothing where the command line is one of ours; nothing is run."""
    name, *arguments = words
    command = typer.main.get_command(import_module(COMMANDS[name].module).app)
    while known := getattr(command, "commands", None):
        name, *arguments = arguments
        command = known[name]
    command.make_context(name, arguments)


def test_the_formulas_are_those_of_the_plan_with_typed_variables(formulas: dict[str, str]) -> None:
    assert formulas.keys() == NAMES
    for name, text in formulas.items():
        formula = tomllib.loads(text)
        assert formula["formula"] == name and text.startswith(f"{OUR_MARK}\n")
        assert all(variable["type"] in ("string", "int") for variable in formula["vars"].values())
        assert all(step["description"] and step["acceptance"] for step in formula["steps"])


def test_every_command_that_a_step_names_is_one_of_ours(formulas: dict[str, str]) -> None:
    found = [words for text in formulas.values() for words in calls(tomllib.loads(text))]

    assert len(found) > 10 and {words[0] for words in found} == {str(PROGRAM)}
    for words in found:
        parsed(words[1:])


def test_a_command_that_is_none_is_found() -> None:
    with pytest.raises(Exception, match="No such option: --rolle"):
        parsed(["corpus", "validate", "--rolle", "deacon"])


def test_every_variable_is_declared_and_used(formulas: dict[str, str]) -> None:
    for text in formulas.values():
        assert set(re.findall(r"\{\{(\w+)\}\}", text)) == tomllib.loads(text)["vars"].keys()


def test_a_town_without_beads_gets_none(tmp_path: Path) -> None:
    assert formula_files(Town(tmp_path), PROGRAM) == {}
