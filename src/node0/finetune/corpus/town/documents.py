# SPDX-License-Identifier: Apache-2.0
"""The town's documents: instructions, formulas, directives, specifications, each as one system turn."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.town.actors import TOWN_RIG
from node0.finetune.role import EVERY_ROLE, KNOWN_ROLES
from node0.town import Town


class Document(NamedTuple):
    """A file, whom it concerns and what it is."""

    path: Path
    role: str
    task_type: str


def documents_of(town: Town) -> Iterator[Document]:
    """Every document of a town and its rigs, each once; a rig's repository lies in `<rig>/mayor/rig`."""
    rigs = [town.root / rig for rig in town.rigs()]
    homes = [town.root, *(place for rig in rigs for place in (rig, rig / "mayor" / "rig"))]
    return distinct(document for home in homes for document in documents_in(home))


def documents_in(home: Path) -> Iterator[Document]:
    """What a town's root or a rig's may hold; a file named here need not exist."""
    yield Document(home / "CLAUDE.md", EVERY_ROLE, "convention_doc")
    yield Document(home / "AGENTS.md", EVERY_ROLE, "convention_doc")
    yield from formulas_in(home / ".beads" / "formulas")
    for path in sorted((home / "directives").glob("*.md")):
        yield Document(path, path.stem if path.stem in KNOWN_ROLES else EVERY_ROLE, "directive")
    for path in sorted((home / "docs").rglob("*.md")):
        yield Document(path, EVERY_ROLE, "document")
    yield from specs_in(home / "plans")


def formulas_in(directory: Path) -> Iterator[Document]:
    """Formula files."""
    for path in sorted(directory.glob("*.formula.toml")):
        yield Document(path, EVERY_ROLE, "formula_definition")


def specs_in(plans: Path) -> Iterator[Document]:
    """Specifications of plans, `<plan>/02-spec/**/spec.md`."""
    for path in sorted(plans.glob("*/02-spec/**/spec.md")):
        yield Document(path, EVERY_ROLE, "spec_doc")


def distinct(documents: Iterable[Document]) -> Iterator[Document]:
    """Those that exist, each once: AGENTS.md is often a link to CLAUDE.md."""
    seen: set[Path] = set()
    for document in documents:
        real = document.path.resolve()
        if document.path.is_file() and real not in seen:
            seen.add(real)
            yield document


def document_entry(document: Document, name: str, rig: str) -> CorpusEntry | None:
    """The unscrubbed entry of a document, None for an empty one.

    Args:
        name: What its id is made of, so that a document that changes updates its entry.
    """
    text = document.path.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        return None
    changed = datetime.fromtimestamp(int(document.path.stat().st_mtime), UTC)
    return CorpusEntry(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        role=document.role,
        rig=rig,
        task_type=document.task_type,
        outcome="collected",
        created_at=changed.isoformat(),
        messages=[{"role": "system", "content": text}],
        source="document",
    )


def rig_of(town: Town, name: str) -> str:
    """The rig that a path in the town belongs to."""
    first = name.partition("/")[0]
    return first if first in town.rigs() else TOWN_RIG
