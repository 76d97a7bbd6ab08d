# SPDX-License-Identifier: Apache-2.0
"""Whoever types a command is told something before anything is loaded that takes seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SWEEP = Path(__file__).with_name("first_words.py")
"In a process of its own: here torch is loaded already."

KNOWN = {"corpus collect", "finetune", "infer", "chat", "serve", "doctor", "model list", "measure", "desk"}


@pytest.fixture(scope="module")
def first_words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Of each command's own example, in an empty town: what was said first, or what was imported before."""
    town = tmp_path_factory.mktemp("place") / "gt"
    for file in ("mayor/town.json", "settings/config.json"):
        (town / file).parent.mkdir(parents=True)
        (town / file).write_text('{"type": "town", "version": 2, "name": "gt"}\n')
    done = subprocess.run(
        [sys.executable, str(SWEEP)],
        cwd=town,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "HOME": str(town.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {told["command"]: told for told in map(json.loads, done.stdout.splitlines())}


def test_every_command_says_a_word_before_a_heavy_library_is_imported(
    first_words: dict[str, dict[str, str]],
) -> None:
    silent = {name: told["imported"] for name, told in first_words.items() if told["imported"]}

    assert silent == {}
    assert set(first_words) >= KNOWN


def test_every_command_says_a_word_at_all(first_words: dict[str, dict[str, str]]) -> None:
    assert [name for name, told in first_words.items() if not told["said"].strip()] == []
