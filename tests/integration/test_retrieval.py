# SPDX-License-Identifier: Apache-2.0
"""The sample town and the beads of a real one, indexed and asked by the commands themselves."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_base

from node0 import cli, run_corpus
from node0.finetune.rag.retriever import RAGRetriever
from town.generator.build import TownPlan, build_town

pytestmark = pytest.mark.integration

BACKUP = Path(__file__).parents[3] / "shared" / "data" / "beads-backup"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    plan = TownPlan(sessions={"deacon": 6, "witness": 4, "polecat": 4})
    build_town(root / "gt", root / "planted.json", plan)
    assert run_corpus.main(["collect", "--town", str(root / "gt")]) == 0
    beads = ["--beads", str(BACKUP)] if BACKUP.is_dir() else []
    assert run_corpus.main(["rag-index", "--town", str(root / "gt"), *beads]) == 0
    return root


def query(sample: Path, text: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert cli.main(["rag", "query", text, "--town", str(sample / "gt"), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_documents_sessions_and_formulas_of_the_sample_town_are_found(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = next((sample / "gt" / ".claude" / "projects").rglob("*.jsonl")).stem

    assert query(sample, "CLAUDE.md", capsys)[0]["from"] == "config CLAUDE.md"
    assert query(sample, f"what did {session} do", capsys)[0]["from"] == f"session {session}"
    assert query(sample, "mol-town-patrol", capsys)[0]["from"].startswith(
        "formula .beads/formulas/mol-town-patrol"
    )


def test_nothing_that_was_planted_is_in_the_index(sample: Path) -> None:
    planted = json.loads((sample / "planted.json").read_text())["planted"]
    stored = (sample / "gt" / ".rag" / "index.sqlite").read_bytes()

    assert len(planted) > 60
    assert [row["kind"] for row in planted for part in row["parts"] if part.encode() in stored] == []


def test_a_second_run_embeds_nothing(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_corpus.main(["rag-index", "--town", str(sample / "gt"), "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert rows[-1].items() >= {"new": 0, "changed": 0, "removed": 0, "embedded": 0}.items()


@pytest.mark.skipif(not BACKUP.is_dir(), reason="no real backup beside the checkout")
def test_a_real_bead_is_found_by_its_id_and_by_what_it_is_about(sample: Path) -> None:
    retriever = RAGRetriever(sample / "gt" / ".rag")

    assert retriever.search("gt-69dai")[0].origin == "bead gt-69dai"
    found = retriever.search("why do polecats lose findings when the session dies")
    assert "gt-ah2k" in [one.name for one in found]


def test_the_inference_tool_answers_with_what_was_retrieved(sample: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt"
    prompt.write_text("mol-town-patrol")
    place = str(sample / "gt" / ".rag")
    model = [
        "--model",
        str(make_base(tmp_path)),
        "--file",
        str(prompt),
        "--max-tokens",
        "2",
        "--temperature",
        "0",
    ]

    good, bad = (_infer(*model, "--rag-dir", where) for where in (place, str(tmp_path)))

    assert (good.returncode, bad.returncode) == (0, 1), good.stderr
    assert "make one with `node0-corpus rag-index`" in bad.stderr


def _infer(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node0.run_inference", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
