# SPDX-License-Identifier: Apache-2.0
"""Which tests a person gets by typing `pytest`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        (["tests/"], {"unit", "architecture"}),
        (["-m", "integration"], {"integration", "gastown"}),
    ],
    ids=["by folder", "by marker"],
)
def test_integration_tests_are_collected_only_when_they_are_named(
    words: list[str], folders: set[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--co", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-2000:]
    assert set(re.findall(r"^tests/(\w+)/\S+::", done.stdout, re.MULTILINE)) == folders
