# SPDX-License-Identifier: Apache-2.0
import json
import re
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0.commands.corpus.entries.preview_tokens import preview_tokens

Printed = pytest.CaptureFixture[str]
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return str(tmp_path / "tokenizer")


def test_trained_tokens_stand_between_marks_where_there_is_no_colour(
    town: Path, tokenizer: str, capsys: Printed
) -> None:
    preview_tokens("one", town, tokenizer=tokenizer, profile=None, max_length=None, as_json=False)

    shown = capsys.readouterr().out
    assert re.search(r"use ghp_\w{36}\b", shown.split("⟦")[0])
    assert SECRET not in shown
    assert shown.split("⟦")[1].startswith("no")


def test_counts_and_segments_agree(town: Path, tokenizer: str, capsys: Printed) -> None:
    preview_tokens("one", town, tokenizer=tokenizer, profile=None, max_length=None, as_json=True)

    (row,) = json.loads(capsys.readouterr().out)
    assert 0 < row["trained"] < row["tokens"]
    assert "".join(part["text"] for part in row["segments"] if part["trained"]).startswith("no")
