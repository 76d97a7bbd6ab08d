# SPDX-License-Identifier: Apache-2.0
"""The corpus at the desk: its entries, newest first, and one of them with masks and redactions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from node0.commands.corpus.entries.show_entries import newest_first, row
from node0.commands.corpus.entry_page import facts, parts
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.review.decide_entries import open_queue
from node0.commands.desk.pages.desk_page import Asked, Desk, Shown
from node0.commands.desk.pages.marked_text import spans
from node0.commands.desk.pages.slices import Piece, Slice, cut, page_number, sliced
from node0.commands.lazy import when_called
from node0.errors import ConfigError
from node0.finetune.corpus.schema import CorpusEntry

if TYPE_CHECKING:
    from node0.commands.corpus.entries import preview_tokens
else:
    preview_tokens = when_called(
        "node0.commands.corpus.entries.preview_tokens"
    )  # needs a tokenizer's library

TURNS, TOKENS = "turns", "tokens"


def entries(desk: Desk, asked: Asked) -> Shown:
    """The entries of a role, or of all."""
    role = asked.query.get("role") or None
    _, store = open_store(desk.town.root, role)
    retracted = store.retracted().entries
    found = sliced(newest_first(store.headers(role)), page_number(asked.query.get("page")))
    rows = [row(header, retracted=header.id in retracted) for header in found.rows]
    content = {"rows": rows, "slice": found, "role": role, "roles": store.roles()}
    return Shown("corpus.html", content)


def entry(desk: Desk, asked: Asked) -> Shown:
    """One entry: its turns, or its tokens with those that are trained on."""
    view = asked.query.get("view", TURNS)
    if view not in (TURNS, TOKENS):
        raise ConfigError(f"no view {view!r} of an entry; take {TURNS} or {TOKENS}")
    _, store = open_store(desk.town.root)
    found = store.get(asked.path["entry_id"])
    pieces = turns(found) if view == TURNS else tokens(found, desk.tokenizer)
    shown = cut(pieces, page_number(asked.query.get("page")))
    content = {
        "entry": found,
        "facts": facts(found),
        "view": view,
        "slice": shown,
        "pieces": _marked(shown, _uncertain(desk, found)),
        "has_tokenizer": bool(desk.tokenizer),
    }
    return Shown("entry.html", content)


def turns(found: CorpusEntry) -> Iterator[Piece]:
    """System prompts and turns."""
    return (Piece(part.title, part.text) for part in parts(found))


def tokens(found: CorpusEntry, tokenizer: str) -> Iterator[Piece]:
    """The rows as training makes them; what is trained on is marked.

    Raises:
        ConfigError: no tokenizer is known.
    """
    if not tokenizer:
        raise ConfigError("no tokenizer is known: open the desk with --tokenizer DIR")
    for number, one in enumerate(preview_tokens.preview_rows(found, tokenizer=tokenizer), start=1):
        title = (
            f"row {number}{one.name and f', {one.name}'}: {one.n_trained} of {one.n_tokens} tokens trained"
        )
        for place, segment in enumerate(one.segments):
            yield Piece("" if place else title, segment.text, segment.trained)


def _uncertain(desk: Desk, found: CorpusEntry) -> set[str]:
    """Values of an entry in quarantine that somebody must look at."""
    if not found.quarantined:
        return set()
    return {one.value for one in open_queue(desk.town.root).values(found)}


def _marked(shown: Slice[Piece], uncertain: Iterable[str]) -> Sequence[dict[str, Any]]:
    values = set(uncertain)
    return [
        {"title": piece.title, "trained": piece.trained, "spans": list(spans(piece.text, values))}
        for piece in shown.rows
    ]
