# SPDX-License-Identifier: Apache-2.0
"""The demo must fail when a promise is broken."""

import json
from pathlib import Path

import pytest

import demo


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "TOWN", tmp_path)
    (tmp_path / ".corpus" / "deacon").mkdir(parents=True)
    return tmp_path / ".corpus" / "deacon"


def test_a_planted_value_in_any_file_of_the_corpus_is_found(corpus: Path) -> None:
    (corpus / "a.json").write_text(json.dumps({"text": 'it was a"b\\c and more'}))
    (corpus / ".hidden").write_text("second-line")
    planted = [
        {"kind": "escaped", "parts": ['a"b\\c']},
        {"kind": "part", "parts": ["first-line", "second-line"]},
        {"kind": "gone", "parts": ["nowhere"]},
    ]

    assert demo._left_in_corpus(planted) == ["escaped", "part"]
