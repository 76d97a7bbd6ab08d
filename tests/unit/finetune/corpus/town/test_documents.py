# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path

import pytest

from node0.finetune.corpus.town.documents import (
    Document,
    distinct,
    document_entry,
    documents_in,
    documents_of,
    rig_of,
)
from node0.town import Town


def write(path: Path, text: str = "words") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def town(tmp_path: Path) -> Town:
    write(tmp_path / "mayor" / "rigs.json", json.dumps({"rigs": {"demo": {}}}))
    return Town(tmp_path)


def test_every_kind_of_document_is_found_in_the_town_and_its_rigs(town: Town) -> None:
    names = [
        ".beads/formulas/patrol.formula.toml",
        "CLAUDE.md",
        "demo/CLAUDE.md",
        "directives/deacon.md",
        "directives/house.md",
        "docs/deep/page.md",
        "plans/one/02-spec/part/spec.md",
    ]
    for name in [*names, "docs/picture.png", "plans/one/03-code/spec.md", "other/CLAUDE.md"]:
        write(town.root / name)

    found = {one.path.relative_to(town.root).as_posix(): one for one in documents_of(town)}

    assert sorted(found) == names
    assert {name: (one.role, one.task_type) for name, one in found.items() if "directives" in name} == {
        "directives/deacon.md": ("deacon", "directive"),
        "directives/house.md": ("all", "directive"),
    }
    assert found["plans/one/02-spec/part/spec.md"].task_type == "spec_doc"


def test_a_rigs_documents_are_those_of_its_repository_too(town: Town) -> None:
    """gt keeps it in `<rig>/mayor/rig`, and clones of it for workers, which say the same."""
    names = [
        "demo/CLAUDE.md",
        "demo/mayor/rig/.beads/formulas/mend.formula.toml",
        "demo/mayor/rig/AGENTS.md",
        "demo/mayor/rig/CLAUDE.md",
        "demo/mayor/rig/docs/page.md",
    ]
    for name in [*names, "demo/crew/ann/CLAUDE.md", "mayor/rig/CLAUDE.md"]:
        write(town.root / name)

    found = {one.path.relative_to(town.root).as_posix() for one in documents_of(town)}

    assert sorted(found) == names
    assert {rig_of(town, name) for name in found} == {"demo"}


def test_a_link_to_a_document_is_the_same_document(town: Town) -> None:
    path = write(town.root / "CLAUDE.md")
    (town.root / "AGENTS.md").symlink_to(path)

    assert [one.path.name for one in distinct(documents_in(town.root))] == ["CLAUDE.md"]


def test_an_entry_is_one_system_turn_whose_id_is_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "CLAUDE.md", "Be kind.")
    os.utime(path, (0, 0))
    document = Document(path, "all", "convention_doc")

    entry = document_entry(document, "CLAUDE.md", "hq")
    path.write_text("Be kinder.")
    changed, other = (
        document_entry(document, "CLAUDE.md", "hq"),
        document_entry(document, "demo/CLAUDE.md", "demo"),
    )

    assert entry and changed and other
    assert entry.messages == [{"role": "system", "content": "Be kind."}]
    assert (entry.created_at, entry.outcome, entry.source) == (
        "1970-01-01T00:00:00+00:00",
        "collected",
        "document",
    )
    assert changed.id == entry.id != other.id


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_of_nothing_no_entry_is_made(tmp_path: Path, text: str) -> None:
    assert document_entry(Document(write(tmp_path / "a.md", text), "all", "document"), "a.md", "hq") is None


def test_a_path_belongs_to_the_rig_that_it_lies_in(town: Town) -> None:
    names = ["demo/CLAUDE.md", "demo", "CLAUDE.md", "other/CLAUDE.md"]

    assert [rig_of(town, name) for name in names] == ["demo", "demo", "hq", "hq"]
