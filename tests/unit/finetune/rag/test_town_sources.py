# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from bead_rows import bead, closed, hooked, label, write_backup

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import read_backup
from node0.finetune.rag.indexer import FORMULAS, RAGIndexer, Source
from node0.finetune.rag.retriever import RAGRetriever
from node0.finetune.rag.town_sources import (
    LONGEST_FILE,
    LONGEST_RESULT,
    bead_sources,
    config_sources,
    entry_text,
    formula_sources,
    session_sources,
)
from node0.town import Town

TOAST = "demo/polecats/toast"


def entry(name: str, day: int, **more: Any) -> CorpusEntry:
    plain = {
        "role": "polecat",
        "rig": "demo",
        "task_type": "work",
        "outcome": "success",
        "created_at": f"2026-01-{day:02}T06:00:00+00:00",
        "source": "claude-code",
        "messages": [{"role": "user", "content": f"words of {name}"}],
    }
    return CorpusEntry.model_validate({"id": name, **plain, **more})


def test_a_bead_is_a_page_of_what_it_says_and_what_happened_to_it(tmp_path: Path) -> None:
    rows = [
        bead(
            "gt-ab1", title="Mend the crane", description="It squeaks.", assignee=TOAST, close_reason="Fixed"
        ),
        *label("gt-ab1", "harbor"),
        hooked("gt-ab1", 1, TOAST),
        closed("gt-ab1", 9, TOAST, reason="Fixed"),
    ]

    (source,) = bead_sources(Outcomes(read_backup(write_backup(tmp_path / "backup", rows))))

    assert source.name == "gt-ab1"
    assert source.text.splitlines() == [
        "gt-ab1: Mend the crane",
        "type task, status closed, outcome success",
        f"assignee {TOAST}",
        "labels harbor",
        "closed because: Fixed",
        "It squeaks.",
        "2026-01-05 06:01 status_changed to hooked by mayor",
        f"2026-01-05 06:09 closed by {TOAST}",
    ]


@pytest.fixture
def town(town_root: Path) -> Town:
    (town_root / "mayor" / "rigs.json").write_text(json.dumps({"rigs": {"demo": {}}}))
    files = {
        "CLAUDE.md": "town rules",
        "directives/deacon.md": "be quick",
        "docs/deep/page.md": "a page",
        "docs/empty.md": " \n",
        "docs/huge.md": "x" * (LONGEST_FILE + 1),
        "roles/deacon.toml": 'name = "deacon"',
        "demo/CLAUDE.md": "rig rules",
        "demo/settings/config.json": '{"type": "rig-settings"}',
        ".beads/formulas/mol-town.formula.toml": 'formula = "mol-town"',
        "demo/.beads/formulas/mol-rig.formula.toml": 'formula = "mol-rig"',
        "demo/mayor/rig/.beads/formulas/mol-repo.formula.toml": 'formula = "mol-repo"',
    }
    for name, text in files.items():
        (town_root / name).parent.mkdir(parents=True, exist_ok=True)
        (town_root / name).write_text(text)
    (town_root / "AGENTS.md").symlink_to("CLAUDE.md")
    return Town(town_root)


def test_documents_and_settings_of_town_and_rigs_are_configs_each_once(town: Town) -> None:
    assert {source.name for source in config_sources(town)} == {
        "CLAUDE.md",
        "directives/deacon.md",
        "docs/deep/page.md",
        "roles/deacon.toml",
        "settings/config.json",
        "demo/CLAUDE.md",
        "demo/settings/config.json",
    }


def test_formulas_of_town_rigs_and_their_repositories_are_found(town: Town) -> None:
    assert list(formula_sources(town)) == [
        Source(".beads/formulas/mol-town.formula.toml", 'formula = "mol-town"'),
        Source("demo/.beads/formulas/mol-rig.formula.toml", 'formula = "mol-rig"'),
        Source("demo/mayor/rig/.beads/formulas/mol-repo.formula.toml", 'formula = "mol-repo"'),
    ]


def test_every_formula_of_a_town_is_retrieved_by_its_name(town: Town, tmp_path: Path) -> None:
    RAGIndexer(tmp_path / "rag").index(FORMULAS, formula_sources(town), whole=True)

    for name in ("mol-town", "mol-rig", "mol-repo"):
        assert RAGRetriever(tmp_path / "rag").search(name)[0].name.endswith(f"{name}.formula.toml")


def test_the_newest_sessions_come_whole_and_what_waits_or_is_no_session_does_not(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add_all(
        [
            entry("old", 1, session_id="s-old"),
            entry("new-b", 4, session_id="s-new"),
            entry("new-a", 3, session_id="s-new"),
            entry("alone", 2, source="tmux"),
            entry("waits", 5, session_id="s-waits", quarantined=True),
            entry("page", 6, source="document"),
            entry("made", 6, source="operational"),
        ]
    )

    found = list(session_sources(store, 2))

    assert [source.name for source in found] == ["alone", "s-new"]
    assert found[1].text.index("words of new-a") < found[1].text.index("words of new-b")
    assert list(session_sources(store, 0)) == []


def test_an_entry_is_its_turns_without_the_systems_and_with_long_results_cut() -> None:
    turns = [
        {"role": "system", "content": "a prime"},
        {"role": "user", "content": [{"type": "text", "text": "patrol"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "looking"},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "gt status"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "x" * 5000},
                {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "fine"}]},
                {"type": "image", "source": {}},
            ],
        },
    ]

    text = entry_text(entry("one", 1, bead_id="gt-ab1", messages=turns))

    assert text.splitlines() == [
        "session of polecat, demo, work, success, gt-ab1, 2026-01-01T06:00:00+00:00",
        "user: patrol",
        "assistant: looking",
        'call Bash: {"command": "gt status"}',
        f"result: {'x' * LONGEST_RESULT}",
        "result: fine",
    ]
