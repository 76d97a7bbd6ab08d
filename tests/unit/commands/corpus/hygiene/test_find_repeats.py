# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.hygiene.find_repeats import list_contaminated, list_duplicates

Printed = pytest.CaptureFixture[str]


def test_an_equal_entry_is_an_exact_duplicate(town: Path, capsys: Printed) -> None:
    list_duplicates(town, role="mayor", threshold=0.8, as_json=True)

    out, err = capsys.readouterr()
    (repeat,) = json.loads(out)
    assert {repeat["id"], repeat["of"]} == {"one", "two"}
    assert err == "1 exact and 0 near duplicates\n"


def test_a_role_without_entries_has_no_duplicates(town: Path, capsys: Printed) -> None:
    list_duplicates(town, role="deacon", threshold=0.8, as_json=True)

    assert json.loads(capsys.readouterr().out) == []


def test_prompts_that_are_too_short_are_counted_and_overlap_nothing(town: Path, capsys: Printed) -> None:
    (town / "prompts.jsonl").write_text('{"id": "p", "text": "use it"}\n')

    assert list_contaminated(town, role=None, against=town / "prompts.jsonl", as_json=True) == 0

    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "1 prompts are too short" in err
