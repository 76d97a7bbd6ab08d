# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.scrub.bench_scrubber import BEGIN, END, Bench, bench_scrubber
from node0.errors import GateRefused, NotFound

SMALL = Bench(cases=10, seed=1, examples=0, check=False, page=None)


def test_the_scores_are_printed_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    bench_scrubber(SMALL, None, as_json=True)

    rows = json.loads(capsys.readouterr().out)
    assert {row["suite"] for row in rows} == {"values", "spans", "readings", "words"}
    assert all(0 <= row["low"] <= row["share"] <= row["high"] <= 1 for row in rows)


def test_the_table_of_a_page_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")

    for _ in range(2):
        bench_scrubber(SMALL._replace(page=page), None, as_json=False)

    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n`node0-corpus scrub-bench --cases 10 --seed 1`")
    assert text.endswith(f"|\n\n{END}after\n")
    assert "old" not in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")

    with pytest.raises(NotFound, match="scoreboard"):
        bench_scrubber(SMALL._replace(page=page), None, as_json=False)
    assert page.read_text() == "text\n"


def test_a_row_below_what_is_wanted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.finetune.corpus.scrubber.CorpusScrubber.scrub", lambda self, text: (text, []))

    with pytest.raises(GateRefused, match=r"tokens with a name: 0\.000 of the values gone"):
        bench_scrubber(SMALL._replace(check=True), None, as_json=False)
