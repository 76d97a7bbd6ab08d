# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0 import run_corpus
from node0.errors import NotFound
from node0.finetune.corpus.artifact_collector import CorpusArtifactCollector
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


@pytest.fixture
def rig(town_root: Path) -> Path:
    """A rig of the town with each kind of document."""
    root = town_root / "demo"
    (town_root / "mayor" / "rigs.json").write_text('{"rigs": {"demo": {}}}')
    files = {
        "CLAUDE.md": f"Use {SECRET}.",
        ".beads/formulas/patrol.formula.toml": 'name = "patrol"',
        ".beads/formulas/notes.toml": "no formula",
        "plans/p1/02-spec/spec.md": "# One",
        "plans/p1/02-spec/parts/spec.md": "# Part",
        "plans/p1/01-idea/spec.md": "no specification",
        "docs/empty.md": " \n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "AGENTS.md").write_text("Other harnesses.")
    return root


@pytest.fixture
def collector(town_root: Path) -> CorpusArtifactCollector:
    return CorpusArtifactCollector(CorpusStore(Town(town_root)))


def test_each_method_of_the_plan_collects_its_kind(rig: Path, collector: CorpusArtifactCollector) -> None:
    (claude,) = collector.collect_claude_md(rig)
    (formula,) = collector.collect_formulas(rig / ".beads" / "formulas")
    specs = collector.collect_specs(rig / "plans")
    (agents,) = collector.collect_agents_md(rig)

    assert claude.messages == [{"role": "system", "content": "Use [REDACTED:github-token]."}]
    assert (claude.role, claude.rig, claude.outcome, claude.bead_id) == ("all", "demo", "collected", None)
    assert [claude.task_type, agents.task_type] == ["convention_doc"] * 2
    assert formula.task_type == "formula_definition"
    assert sorted(str(spec.messages[0]["content"]) for spec in specs) == ["# One", "# Part"]
    assert {spec.task_type for spec in specs} == {"spec_doc"}
    assert collector.collect_claude_md(rig, role="crew")[0].role == "crew"


def test_documents_of_a_root_have_the_ids_that_the_town_gives_them(
    rig: Path, collector: CorpusArtifactCollector, town_root: Path
) -> None:
    store = CorpusStore(Town(town_root))

    ids = {entry.id for entry in collector.collect_root(rig)}
    report = CorpusCollector(store).collect_documents(Town(town_root))

    assert len(ids) == 5
    assert ids == {header.id for header in store.headers()}
    assert report.entries == {"unchanged": 5}
    assert {entry.id for entry in collector.collect_root(rig)} == ids


def test_a_link_is_read_once_and_nothing_is_made_of_nothing(
    tmp_path: Path, collector: CorpusArtifactCollector
) -> None:
    (tmp_path / "CLAUDE.md").write_text("Rules.")
    (tmp_path / "AGENTS.md").symlink_to("CLAUDE.md")

    assert len(collector.collect_root(tmp_path)) == 1
    assert collector.collect_formulas(tmp_path / "none") == []
    with pytest.raises(NotFound):
        collector.collect_root(tmp_path / "none")


def test_the_command_says_what_it_stored(
    rig: Path, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["artifacts", "--rig-root", str(rig), "--town", str(town_root), "--json"]

    assert run_corpus.main(argv) == 0

    rows = json.loads(capsys.readouterr().out)
    assert sorted(row["task_type"] for row in rows) == [
        *("convention_doc", "convention_doc", "formula_definition", "spec_doc", "spec_doc")
    ]
    assert SECRET not in "".join(path.read_text() for path in (town_root / ".corpus").rglob("*.json"))
