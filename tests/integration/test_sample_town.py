# SPDX-License-Identifier: Apache-2.0
"""The whole sample town: every request is proven, every secret is gone, every prompt is a prefix."""

import json
from collections import Counter
from pathlib import Path

import pytest

from node0 import run_corpus
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.check import check_entry
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.eval.tool_calls import measured_turns, score
from town.generator.build import TownPlan, build_town

pytestmark = pytest.mark.integration

BASE = Path(__file__).parents[2] / "examples" / "base"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    build_town(root / "gt", root / "planted.json", TownPlan())
    assert run_corpus.main(["collect", "--town", str(root / "gt"), "--documents"]) == 0
    return root


@pytest.fixture(scope="module")
def entries(town: Path) -> list[CorpusEntry]:
    return CorpusStore(town / "gt" / ".corpus").list()


def test_the_town_has_600_sessions_of_which_400_are_the_deacons(entries: list[CorpusEntry]) -> None:
    sessions = {(entry.role, entry.session_id) for entry in entries if entry.session_id}

    counts = Counter(role for role, _ in sessions)

    assert counts == {"deacon": 400, "witness": 100, "polecat": 100}


def test_every_recorded_request_is_rebuilt_and_proven(entries: list[CorpusEntry]) -> None:
    calls = [call for entry in entries for call in entry.requests]

    assert len(calls) > 5000
    assert all(call.exact for call in calls)


def test_the_ids_of_every_request_are_a_prefix_of_its_examples_ids(entries: list[CorpusEntry]) -> None:
    tokenizer = load_tokenizer(str(BASE))
    sessions = [entry for entry in entries if entry.requests]
    renderers = {role: Renderer(tokenizer, load_profile(role)) for role in {entry.role for entry in sessions}}

    proven = sum(check_entry(entry, renderers[entry.role]) for entry in sessions)

    assert proven == sum(len(entry.requests) for entry in sessions)


def test_nothing_that_was_planted_is_left(town: Path) -> None:
    planted = json.loads((town / "planted.json").read_text())["planted"]
    stored = b"\n".join(path.read_bytes() for path in (town / "gt" / ".corpus").rglob("*") if path.is_file())

    left = [
        row["kind"] for row in planted for part in row["parts"] if json.dumps(part)[1:-1].encode() in stored
    ]

    assert len(planted) > 60
    assert left == []


def test_always_giving_the_commonest_call_is_right_in_at_most_a_fifth(entries: list[CorpusEntry]) -> None:
    turns = [turn for entry in entries if entry.role == "deacon" for turn in measured_turns(entry)]

    result = score(turns, [[] for _ in turns])

    assert result.turns > 1000
    assert result.commonest_share <= 0.2
