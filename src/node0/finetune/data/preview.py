# SPDX-License-Identifier: Apache-2.0
"""Show an entry as it is trained on: its text, with the tokens of the loss marked."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.rows import Pair, Row, RowMaker
from node0.finetune.data.select import Mode, is_document


@dataclass(frozen=True, slots=True)
class PreviewSegment:
    """A run of tokens."""

    text: str
    trained: bool
    n_tokens: int


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row of an entry."""

    name: str
    "Empty, or which side of a pair it is."

    segments: tuple[PreviewSegment, ...]

    @property
    def n_tokens(self) -> int:
        """All tokens."""
        return sum(segment.n_tokens for segment in self.segments)

    @property
    def n_trained(self) -> int:
        """Tokens that are learnt."""
        return sum(segment.n_tokens for segment in self.segments if segment.trained)


def preview(
    entry: CorpusEntry, renderer: Renderer, *, max_length: int | None = None, mode: Mode | None = None
) -> list[PreviewRow]:
    """The entry's rows as coloured text.

    Args:
        entry: What to show.
        renderer: The tokenizer's, with the role's profile.
        max_length: Rows longer than this are split; None splits nothing.
        mode: How it is trained; None takes dpo for a pair, pretrain for a document, else sft.
    """
    mode = mode or _mode(entry)
    maker = RowMaker(renderer, mode=mode, max_length=max_length or 1 << 30, over_length="split")
    found: list[PreviewRow] = []
    for row in maker.rows(entry).rows:
        if isinstance(row, Pair):
            found += [_shown(row.chosen, renderer, "chosen"), _shown(row.rejected, renderer, "rejected")]
        else:
            found.append(_shown(row, renderer, ""))
    return found


def _mode(entry: CorpusEntry) -> Mode:
    if entry.chosen and entry.rejected:
        return "dpo"
    return "pretrain" if is_document(entry) else "sft"


def _shown(row: Row, renderer: Renderer, name: str) -> PreviewRow:
    mask = [False] * len(row.ids)
    for start, end in row.spans:
        mask[start:end] = [True] * (end - start)
    decoder: Any = renderer.tokenizer
    segments = []
    for trained, run in groupby(zip(mask, row.ids.tolist(), strict=True), key=itemgetter(0)):
        ids = [number for _, number in run]
        text = decoder.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        segments.append(PreviewSegment(text, trained, len(ids)))
    return PreviewRow(name, tuple(segments))
