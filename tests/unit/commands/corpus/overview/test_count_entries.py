# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.overview.count_entries import BAR, count_entries
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


def test_totals_are_those_of_the_store(town: Path, capsys: Printed) -> None:
    count_entries(town, role=None, as_json=True)

    told = json.loads(capsys.readouterr().out)
    headers = CorpusStore(town / ".corpus").headers(None)
    assert told["entries"] == len(headers) == 2
    assert told["tokens"] == sum(header.tokens for header in headers)
    assert told["corpus_hash"] == CorpusStore(town / ".corpus").corpus_hash()
    assert sum(bar["entries"] for bar in told["histogram"]) == 2


def test_the_longest_bar_has_its_full_width_and_an_empty_role_has_none(town: Path, capsys: Printed) -> None:
    count_entries(town, role="mayor", as_json=False)
    assert capsys.readouterr().out.count("█") == BAR

    count_entries(town, role="deacon", as_json=False)

    out, err = capsys.readouterr()
    assert "█" not in out
    assert err.startswith("0 entries, about 0 tokens")
