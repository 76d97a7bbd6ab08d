# SPDX-License-Identifier: Apache-2.0
"""Print the tokens of an entry, with those that are trained on marked."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.preview import PreviewRow, preview
from node0.finetune.data.tokenizer import load_tokenizer
from node0.visible import visible


def preview_tokens(
    entry_id: str,
    town: Path | None,
    *,
    tokenizer: str,
    profile: Path | None,
    max_length: int | None,
    as_json: bool,
) -> None:
    """Print an entry's rows: trained tokens are green, between ⟦ and ⟧ where there is no colour.

    max_length: split longer rows, as training does.
    """
    _, store = open_store(town)
    rows = preview_rows(store.get(entry_id), tokenizer=tokenizer, profile=profile, max_length=max_length)
    counts = [
        {"row": number, "tokens": row.n_tokens, "trained": row.n_trained} for number, row in enumerate(rows)
    ]
    if as_json:
        texts = [[asdict(segment) for segment in row.segments] for row in rows]
        console.emit(
            [{**count, "segments": text} for count, text in zip(counts, texts, strict=True)], as_json=True
        )
        return
    for row in rows:
        _print_coloured((segment.text, segment.trained) for segment in row.segments)
    console.emit(counts, as_json=False)


def preview_rows(
    entry: CorpusEntry, *, tokenizer: str, profile: Path | None = None, max_length: int | None = None
) -> list[PreviewRow]:
    """The rows of an entry as training makes them; arguments as for `preview_tokens`."""
    renderer = Renderer(load_tokenizer(tokenizer), load_profile(entry.role, profile))
    return preview(entry, renderer, max_length=max_length)


def _print_coloured(parts: Iterable[tuple[str, bool]]) -> None:
    out = console.stdout()
    coloured = out.is_terminal and out.color_system is not None
    line = Text()
    for text, trained in parts:
        marked = visible(text) if coloured or not trained else f"⟦{visible(text)}⟧"
        line.append(marked, style="bold green" if trained else "dim")
    out.print(line)
