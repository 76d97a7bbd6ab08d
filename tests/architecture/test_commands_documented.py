# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cli_reference
from node0 import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI, SETTINGS, RUN_FILE = DOCS / "cli.md", DOCS / "settings.md", DOCS / "run-file.md"


def test_every_command_and_option_is_in_the_reference() -> None:
    page = CLI.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.commands()), "run: make docs"


def test_every_setting_is_in_the_reference() -> None:
    page = SETTINGS.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.settings()), "run: make docs"


def test_every_field_of_run_json_is_in_the_reference() -> None:
    page = RUN_FILE.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.run_file()), "run: make docs"


@pytest.mark.parametrize("page", ["commands", "settings", "run_file"])
def test_everything_in_a_reference_says_what_it_does(page: str) -> None:
    rows = [line for line in getattr(cli_reference, page)().splitlines() if line.startswith("| `")]

    assert rows
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_every_command_has_a_heading_of_its_own() -> None:
    headings = re.findall(r"^## `(node0 [\w -]+)`$", CLI.read_text(encoding="utf-8"), re.MULTILINE)

    assert {heading.split()[1] for heading in headings} == set(cli.available())


@pytest.mark.parametrize(
    "script", sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
)
def test_every_console_script_is_installed_and_shows_its_usage(script: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / script, "--help"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("Usage: ")
    assert f"`{script}`" in CLI.read_text(encoding="utf-8")
