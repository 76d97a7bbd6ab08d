# SPDX-License-Identifier: Apache-2.0
"""List entries in quarantine, and carry out what a person decides about them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.quality.review_queue import ReviewQueue


def list_waiting(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print each uncertain value with what stands around it."""
    rows = [one._asdict() for one in _queue(town, role).waiting(role)]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("nothing waits in quarantine")


def accept(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Let the entries be trained on as they are."""
    queue = _queue(town)
    decided = [_decided(entry_id, queue.accept, "accepted") for entry_id in ids]
    console.emit([*decided, *_settled(queue)], as_json=as_json)


def redact(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Replace the uncertain values of the entries."""
    queue = _queue(town)
    decided = [_decided(entry_id, queue.redact, "redacted") for entry_id in ids]
    console.emit([*decided, *_settled(queue)], as_json=as_json)


def drop(ids: Sequence[str], town: Path | None, *, as_json: bool) -> None:
    """Delete the entries and retract them."""
    queue = _queue(town)
    console.emit([_decided(entry_id, queue.drop, "dropped") for entry_id in ids], as_json=as_json)


def _decided(entry_id: str, decide: Callable[[str], None], did: str) -> dict[str, str]:
    decide(entry_id)
    return {"id": entry_id, "did": did}


def _settled(queue: ReviewQueue) -> list[dict[str, str]]:
    """The entries that held the same values and nothing else that is uncertain."""
    return [{"id": entry_id, "did": "settled too"} for entry_id in queue.settle()]


def _queue(town: Path | None, role: str | None = None) -> ReviewQueue:
    place, store = open_store(town, role)
    return ReviewQueue(store, make_scrubber((), town=place))
