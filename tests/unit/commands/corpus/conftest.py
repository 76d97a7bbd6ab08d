# SPDX-License-Identifier: Apache-2.0
"""A town with two curated entries that held a secret, for the commands that look at a corpus."""

import json
from pathlib import Path

import pytest

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


@pytest.fixture
def town(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Entries `one` and `two` of the mayor, from examples.jsonl in the town."""
    turns = [{"role": "user", "content": f"use {SECRET}"}, {"role": "assistant", "content": "no"}]
    lines = [json.dumps({"id": name, "role": "mayor", "messages": turns}) for name in ("one", "two")]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines))
    assert run_corpus.main(["add", str(tmp_path / "examples.jsonl"), "--town", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path
