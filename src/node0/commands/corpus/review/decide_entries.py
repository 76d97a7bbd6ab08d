# SPDX-License-Identifier: Apache-2.0
"""List entries in quarantine, and carry out what a person decides about them."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.quality.review_queue import ReviewQueue


class Decision(StrEnum):
    """What a person decides about an entry; its value says what was done then."""

    ACCEPT = "accepted"
    REDACT = "redacted"
    DROP = "dropped"


def list_waiting(town: Path | None, *, role: str | None, reveal: bool, as_json: bool) -> None:
    """Print what stands around each uncertain value, and the value where `reveal` asks for it."""
    rows = [one._asdict() for one in open_queue(town, role).waiting(role, masked=not reveal)]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("nothing waits in quarantine")


def accept(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Let the entries be trained on as they are."""
    console.emit(decided(open_queue(town), ids, Decision.ACCEPT), as_json=as_json)


def redact(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Replace the uncertain values of the entries."""
    console.emit(decided(open_queue(town), ids, Decision.REDACT), as_json=as_json)


def drop(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Delete the entries and retract them."""
    console.emit(decided(open_queue(town), ids, Decision.DROP), as_json=as_json)


def decided(queue: ReviewQueue, ids: Sequence[str], decision: Decision) -> list[dict[str, str]]:
    """Carry a decision out; a record for each entry, and for others that had no other doubts."""
    decide = {Decision.ACCEPT: queue.accept, Decision.REDACT: queue.redact, Decision.DROP: queue.drop}
    for entry_id in ids:
        decide[decision](entry_id)
    settled = queue.settle() if decision is not Decision.DROP else []
    done = [{"id": entry_id, "did": decision.value} for entry_id in ids]
    return [*done, *({"id": entry_id, "did": "settled too"} for entry_id in settled)]


def open_queue(town: Path | None, role: str | None = None) -> ReviewQueue:
    """The queue of a town.

    Raises:
        NotFound: there is no town, or no such role in it.
        ConfigError: the town's settings cannot be used.
    """
    place, store = open_store(town, role)
    return ReviewQueue(store, make_scrubber((), town=place))
