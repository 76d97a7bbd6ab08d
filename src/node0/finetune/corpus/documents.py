# SPDX-License-Identifier: Apache-2.0
"""The town's documents: instructions, formulas, directives, specifications."""

from collections.abc import Iterator
from pathlib import Path

from node0.finetune.corpus.sessions import ROLES, TOWN_RIG
from node0.town import Town

EVERY_ROLE = "all"
"The role of documents that concern every role."


def documents_of(town: Town) -> Iterator[tuple[Path, str, str]]:
    """Path, role and task type of every document."""
    homes = [town.root, *(town.root / rig for rig in town.rigs())]
    seen: set[Path] = set()
    for path, role, task in [item for home in homes for item in _documents_in(home)]:
        # AGENTS.md is often a link to CLAUDE.md.
        if path.is_file() and path.resolve() not in seen:
            seen.add(path.resolve())
            yield path, role, task


def _documents_in(home: Path) -> Iterator[tuple[Path, str, str]]:
    yield home / "CLAUDE.md", EVERY_ROLE, "convention_doc"
    yield home / "AGENTS.md", EVERY_ROLE, "convention_doc"
    for path in sorted((home / ".beads" / "formulas").glob("*.formula.toml")):
        yield path, EVERY_ROLE, "formula_definition"
    for path in sorted((home / "directives").glob("*.md")):
        yield path, path.stem if path.stem in ROLES else EVERY_ROLE, "directive"
    for path in sorted((home / "docs").rglob("*.md")):
        yield path, EVERY_ROLE, "document"
    for path in sorted((home / "plans").glob("*/02-spec/**/spec.md")):
        yield path, EVERY_ROLE, "spec_doc"


def rig_of(town: Town, name: str) -> str:
    """The rig that a path in the town belongs to."""
    first = name.partition("/")[0]
    return first if first in town.rigs() else TOWN_RIG
