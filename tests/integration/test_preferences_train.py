# SPDX-License-Identifier: Apache-2.0
"""From two versions of a model to a third one: thirty comparisons on a real Dolt server, pairs, training.

Every step is a command. What is preferred is an answer that names what was asked about.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from integration.dolt_server import find_dolt
from tiny_chat import calls, entry, result, says, user
from tiny_run import RIGS, ROLE, make_base, settings

from node0.cli import main as node0
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.pipeline.local import LocalPipeline
from node0.run_finetune import main as node0_finetune
from node0.store.dolt_store import DoltStore
from node0.store.engine import open_store
from node0.store.town_store import place_of
from node0.town import Town

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_dolt() is None, reason="no dolt: make town-tools installs it"),
    pytest.mark.timeout(400),
]

PAIRS = 30
BEADS = [f"gt-{number:05}" for number in range(PAIRS)]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A town whose store is its own Dolt server, with two versions and two sessions of each bead."""
    town = Town(tmp_path / "town")
    town.models.mkdir(parents=True)
    at = ["--town", str(town.root)]
    for number, bead in enumerate(BEADS):
        CorpusStore(town).add_all(_session(number, bead, side) for side in "ab")
    assert node0(["store", "dolt", "start", "--dolt", str(find_dolt()), *at]) == 0
    try:
        town.model_settings_file.write_text("store: {url: dolt}\n")
        with closing(ModelRegistry(town)) as registry:
            for _ in range(2):
                registry.register(ModelRegistryEntry(name="dc", role=ROLE, artifact_path="/x"))
        yield town
    finally:
        node0(["store", "dolt", "stop", *at])


def test_thirty_comparisons_on_dolt_become_a_model_that_prefers_what_was_preferred(
    town: Town, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, pairs = ["--town", str(town.root)], tmp_path / "pairs.jsonl"
    for number, bead in enumerate(BEADS):
        assert node0(["dpo", "compare", bead, "dc:1", "dc:2", *at]) == 0
        for side in "ab":
            assert node0(["dpo", "attach", bead, f"{bead}-{side}", "--side", side, *at]) == 0
        assert node0(["dpo", "record", bead, "--winner", _winner(number), *at]) == 0
    capsys.readouterr()
    assert node0(["dpo", "show", BEADS[3], *at]) == 0
    shown = capsys.readouterr().out
    assert f"Nudged {_rig(3)} at 3." in shown and "Nothing." in shown
    _assert_two_branches_each(town)

    assert node0(["dpo", "export", ROLE, str(pairs), *at]) == 0
    exported = [CorpusEntry.model_validate_json(line) for line in pairs.read_text().splitlines()]
    assert [pair.bead_id for pair in exported] == BEADS
    for number, pair in enumerate(exported):
        assert [turn["role"] for turn in pair.messages] == ["user", "assistant", "user"]
        assert pair.chosen == [says(f"Nudged {_rig(number)} at {number}.")]
        assert pair.rejected == [says("Nothing.")]

    (tmp_path / "preferences" / ".corpus").mkdir(parents=True)
    assert node0(["corpus", "add", str(pairs), "--town", str(tmp_path / "preferences")]) == 0
    make_base(tmp_path)
    scored = _count_reference_scores(monkeypatch)
    run = _trained(tmp_path, "straight", capsys)
    assert len(scored) == PAIRS
    _assert_margins_grew(run)
    two = _trained(tmp_path, "two", capsys, "--stop-after", "4")
    assert len(scored) == 2 * PAIRS
    assert _trained(tmp_path, "two", capsys).root == two.root
    assert len(scored) == 2 * PAIRS
    assert (two.root / "adapter_model.safetensors").read_bytes() == (
        run.root / "adapter_model.safetensors"
    ).read_bytes()


def _assert_two_branches_each(town: Town) -> None:
    with closing(open_store(place_of(town))) as store:
        assert isinstance(store, DoltStore)
        assert {f"dpo-{bead}-{side}" for bead in BEADS for side in "ab"} < {*store.branches()}
        for bead in BEADS:
            changes = store.diff("dpo_transcripts", f"dpo-{bead}-a", f"dpo-{bead}-b")
            sides = {(row["from_side"] or row["to_side"], row["diff_type"]) for row in changes}
            assert sides == {("a", "removed"), ("b", "added")}


def _assert_margins_grew(run: RunDirectory) -> None:
    records = [record for record in run.metrics() if "val_margin" in record]
    before, *_, after = records
    assert (before["step"], after["step"]) == (0, 12)
    assert before["val_loss"] == pytest.approx(0.693147, abs=1e-5)
    assert before["val_accuracy"] == 0
    assert after["val_margin"] > before["val_margin"] + 2
    assert after["val_accuracy"] == 1
    assert 4 <= len(run.held_out()) <= 15
    kept = [json.loads(line) for line in run.reference_file.read_text().splitlines()]
    assert len({row["pair"] for row in kept}) == len(kept) == PAIRS


def _trained(place: Path, name: str, capsys: Output, *more: str) -> RunDirectory:
    changes = {"mode": "dpo", "max_steps": 12, "lr": 0.02, "checkpoint_dir": str(place / name)}
    corpus = place / "preferences" / ".corpus"
    config = place / "run.yaml"
    config.write_text(yaml.safe_dump(settings(place, **changes, corpus_path=str(corpus))))
    assert node0_finetune(["--config", str(config), *more]) == 0, capsys.readouterr().err
    return RunDirectory(place / name)


def _count_reference_scores(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the rows of every pass of the model without its adapter; the passes are the real ones."""
    passes: list[int] = []
    score = LocalPipeline.score

    def counted(self, microbatch, *, adapter=True):
        if not adapter:
            passes.append(microbatch.labels.shape[0])
        return score(self, microbatch, adapter=adapter)

    monkeypatch.setattr(LocalPipeline, "score", counted)
    return passes


def _session(number: int, bead: str, side: str) -> CorpusEntry:
    rig = _rig(number)
    answer = f"Nudged {rig} at {number}." if side == _winner(number) else "Nothing."
    turns = [user(f"Look at {rig}: {number}."), calls(f"gt peek {rig}", 1), result("stale", 1), says(answer)]
    return entry(
        turns, id=f"{bead}-{side}", role=ROLE, bead_id=bead, session_id=f"s-{bead}-{side}",
        outcome="success", created_at=f"2026-02-01T00:00:{number:02}Z", scrub_version="1",
    )  # fmt: skip


def _rig(number: int) -> str:
    return RIGS[number * 7 % len(RIGS)]


def _winner(number: int) -> str:
    return "ab"[number % 3 == 0]
