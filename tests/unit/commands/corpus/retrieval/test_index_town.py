# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from bead_rows import bead, write_backup

from node0.commands.corpus.retrieval.index_town import IndexRequest, index_formulas, index_town
from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.rag.retriever import RAGRetriever
from node0.town import Town

FORMULA = 'formula = "mol-lamp"\ndescription = "Mend a lamp."\n'
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


@pytest.fixture
def request_(town_root: Path) -> IndexRequest:
    rows = [bead("gt-a1", description=f"the crane, with {SECRET}"), bead("gt-b2", description="the boat")]
    backup = write_backup(town_root / "backup", rows)
    (town_root / "CLAUDE.md").write_text("mend what squeaks")
    formulas = town_root / ".beads" / "formulas"
    formulas.mkdir(parents=True)
    (formulas / "mol-lamp.formula.toml").write_text(FORMULA)
    turns = [{"role": "user", "content": "the winch is stuck"}]
    facts = {
        "role": "polecat",
        "rig": "demo",
        "task_type": "work",
        "outcome": "success",
        "created_at": "2026",
    }
    entry = {"id": "e1", "session_id": "s1", "source": "claude-code", "messages": turns, **facts}
    CorpusStore(Town(town_root)).add(CorpusEntry.model_validate(entry))
    return IndexRequest(town=town_root, rag_dir=None, beads=backup)


def indexed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {row["collection"]: row for row in json.loads(capsys.readouterr().out)}


def test_everything_is_indexed_once_and_then_only_what_changed(
    request_: IndexRequest, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index_town(request_, only_beads=(), as_json=True)
    first = indexed(capsys)
    write_backup(town_root / "other", [bead("gt-b2", description="the ship"), bead("gt-c3")])
    (town_root / "CLAUDE.md").unlink()

    changed = IndexRequest(town=town_root, rag_dir=None, beads=town_root / "other")
    index_town(changed, only_beads=(), as_json=True)

    counts = {
        name: (row["new"], row["changed"], row["unchanged"], row["removed"]) for name, row in first.items()
    }
    assert counts == {
        "beads": (2, 0, 0, 0),
        "configs": (2, 0, 0, 0),
        "sessions": (1, 0, 0, 0),
        "formulas": (1, 0, 0, 0),
        "all": (6, 0, 0, 0),
    }
    after = indexed(capsys)
    counts = {
        name: (row["new"], row["changed"], row["unchanged"], row["removed"]) for name, row in after.items()
    }
    assert counts["beads"] == (1, 1, 0, 1)
    assert counts["configs"] == (0, 0, 1, 1)
    assert counts["sessions"] == counts["formulas"] == (0, 0, 1, 0)
    assert (after["all"]["sources"], after["all"]["chunks"]) == (5, 5)


def test_each_collection_is_retrieved_and_no_secret_is(request_: IndexRequest, town_root: Path) -> None:
    index_town(request_, only_beads=(), as_json=True)
    retriever = RAGRetriever(town_root / ".rag")

    found = {word: retriever.search(word)[0].collection for word in ("crane", "squeaks", "winch", "mol-lamp")}

    assert found == {"crane": "beads", "squeaks": "configs", "winch": "sessions", "mol-lamp": "formulas"}
    assert SECRET.encode() not in (town_root / ".rag" / "index.sqlite").read_bytes()


def test_one_bead_is_indexed_or_taken_out_and_the_others_stay(
    request_: IndexRequest, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index_town(request_, only_beads=("gt-a1",), as_json=True)
    assert indexed(capsys)["beads"].items() >= {"new": 1, "removed": 0, "sources": 1}.items()
    index_town(request_, only_beads=("gt-b2",), as_json=True)
    capsys.readouterr()
    write_backup(town_root / "other", [bead("gt-b2", description="the boat")])

    gone = IndexRequest(town=town_root, rag_dir=None, beads=town_root / "other")
    index_town(gone, only_beads=("gt-a1", "gt-b2"), as_json=True)

    assert indexed(capsys)["beads"].items() >= {"new": 0, "unchanged": 1, "removed": 1, "sources": 1}.items()


def test_beads_of_a_server_that_does_not_answer_stay_as_they_were(
    request_: IndexRequest, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index_town(request_, only_beads=(), as_json=True)
    capsys.readouterr()
    (town_root / ".dolt-data").mkdir()
    (town_root / ".dolt-data" / "config.yaml").write_text("listener: {host: 127.0.0.1, port: 1}\n")

    index_town(IndexRequest(town=town_root, rag_dir=None), only_beads=(), as_json=True)

    out, err = capsys.readouterr()
    assert "beads stay as they were indexed" in err
    assert [row["collection"] for row in json.loads(out)] == ["configs", "sessions", "formulas", "all"]
    assert RAGRetriever(town_root / ".rag").search("crane")[0].name == "gt-a1"


def test_a_backup_that_is_none_and_a_model_that_is_none_are_refused(
    request_: IndexRequest, town_root: Path
) -> None:
    with pytest.raises(NotFound, match=r"no issues\.jsonl"):
        index_town(IndexRequest(town_root, None, beads=town_root / "none"), only_beads=(), as_json=True)
    with pytest.raises(NotFound, match="no embedding model in"):
        index_formulas(IndexRequest(town_root, None, embedder=str(town_root / "none")), as_json=True)
    (town_root / ".rag" / "index.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        index_formulas(IndexRequest(town_root, None), as_json=True)


def test_formulas_alone_go_where_they_are_told(
    request_: IndexRequest, town_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index_formulas(IndexRequest(town_root, tmp_path / "elsewhere"), as_json=True)

    out, err = capsys.readouterr()
    assert [row["collection"] for row in json.loads(out)] == ["formulas", "all"]
    assert "found by words only: the index is too small" in err
    assert (
        RAGRetriever(tmp_path / "elsewhere").search("lamp")[0].name == ".beads/formulas/mol-lamp.formula.toml"
    )
    assert not (town_root / ".rag").exists()
