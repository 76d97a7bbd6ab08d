# SPDX-License-Identifier: Apache-2.0
"""A town's conventions as short fingerprints that can be compared: by content, never by a file's time.

A fingerprint is `DIGEST:SKETCH`. The digest, of all lines, tells whether anything changed. The sketch, the
smallest hashes of the distinct lines, tells how much: two of them estimate the Jaccard distance of the
lines (bottom-k sketch; Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from node0.finetune.corpus.town.documents import Document, documents_of
from node0.finetune.role import EVERY_ROLE
from node0.settings import leaves
from node0.town import Town

KEPT = 256
"Hashes in a sketch. Up to that many lines the distance is exact; its standard error is at most 1/32 beyond."

HASH_LENGTH, DIGEST_LENGTH = 8, 16
"Hex digits."

OUR_AGENTS = "ft-"
"What deploying writes is no convention of the town's: otherwise each deployment made its model stale."

OUR_MARK = "# Written by node0 town install."
"The first line of formulas of ours, which are no convention of the town's either."


class Convention(StrEnum):
    """A kind of convention that a model learned and that may change afterwards."""

    CLAUDE_MD = "claude_md"
    "CLAUDE.md, AGENTS.md and directives, of the town and its rigs."

    FORMULAS = "formulas"
    CONFIG = "config"
    "`settings/config.json`, without agents of ours and without who works as what."


def fingerprints(town: Town, role: str) -> dict[str, str]:
    """The conventions that concern a role, each as a fingerprint.

    Raises:
        ConfigError: the town's settings are no JSON object.
    """
    documents = [one for one in documents_of(town) if one.role in (role, EVERY_ROLE)]
    texts = [one for one in documents if one.task_type in ("convention_doc", "directive")]
    formulas = [one for one in documents if one.task_type == "formula_definition" and not _is_ours(one)]
    lines: Mapping[Convention, Iterable[str]] = {
        Convention.CLAUDE_MD: _lines_of(texts),
        Convention.FORMULAS: _lines_of(formulas),
        Convention.CONFIG: _lines_of_settings(town.read_settings()),
    }
    return {kind.value: fingerprint(found) for kind, found in lines.items()}


def fingerprint(lines: Iterable[str]) -> str:
    """What is kept of these lines; neither their order nor how often one stands there counts."""
    hashes = sorted({hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest() for line in lines})
    digest = hashlib.sha256("".join(hashes).encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{digest}:{''.join(one[:HASH_LENGTH] for one in hashes[:KEPT])}"


def drift(before: str, after: str) -> float:
    """How much two fingerprints differ: 0 for the same lines, 1 for not one line in common."""
    (digest, known), (other, found) = (text.split(":") for text in (before, after))
    if digest == other:
        return 0.0
    first, second = set(_hashes(known)), set(_hashes(found))
    union = sorted(first | second)[:KEPT]
    shared = sum(one in first and one in second for one in union)
    # Something changed, even where none of the kept hashes did.
    return max(1 - shared / len(union), 1 / KEPT)


def _hashes(sketch: str) -> Iterator[str]:
    return (sketch[at : at + HASH_LENGTH] for at in range(0, len(sketch), HASH_LENGTH))


def _is_ours(document: Document) -> bool:
    with document.path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip() == OUR_MARK


def _lines_of(documents: Iterable[Document]) -> Iterator[str]:
    """Each line with the name of its file: a new formula of old lines is a change."""
    for document in documents:
        text = document.path.read_text(encoding="utf-8", errors="replace")
        yield from (f"{document.path.name}\t{words}" for line in text.splitlines() if (words := line.strip()))


def _lines_of_settings(settings: Mapping[str, object]) -> Iterator[str]:
    for key, value in leaves(settings):
        table, _, name = key.partition(".")
        is_ours = table == "role_agents" or (table == "agents" and name.startswith(OUR_AGENTS))
        if not is_ours and value != {}:
            yield f"{key}\t{json.dumps(value, sort_keys=True)}"
