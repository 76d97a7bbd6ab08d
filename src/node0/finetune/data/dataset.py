# SPDX-License-Identifier: Apache-2.0
"""The corpus as a PyTorch dataset of ids and labels, shifted here and nowhere else."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.config import SelectConfig
from node0.finetune.corpus.quality.copied_answers import Copied
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.rows import EntryRows, OverLength, Pair, Row, RowMaker
from node0.finetune.data.select import Mode, selected
from node0.pipeline.protocol import IGNORE

RowCache = dict[tuple[str, ...], EntryRows]
"Rows by entry digest and everything that made them; share one among datasets of a tokenizer."


@dataclass(frozen=True)
class DatasetOptions:
    """How entries become rows."""

    mode: Mode = "sft"
    "sft supervises answers, dpo makes pairs, pretrain supervises every token."

    select: SelectConfig | None = field(default_factory=SelectConfig)
    "Which entries are taken; None takes all that are given."

    profile_for: Callable[[str], DeploymentProfile | None] = load_profile
    "Role -> profile that its requests are rewritten to; None leaves them as recorded."

    over_length: OverLength = "split"
    "What happens to an example longer than a row."


@dataclass(frozen=True)
class DataReport:
    """What a dataset holds and what it left out."""

    entries: int
    rows: int
    "Documents, or pairs."

    tokens: int
    supervised: int
    dropped: dict[str, int]
    "Reason -> entries or answers."


class CorpusDataset(Dataset[dict[str, Tensor]]):
    """The documents of one role, each once, made when the dataset is.

    Items are int64 tensors (tokens,): `input_ids`, `labels` and `positions`; in DPO mode
    `chosen_ids`, `chosen_labels`, `rejected_ids` and `rejected_labels`. `labels[t]` is the id that
    should follow `input_ids[t]`, or IGNORE; a document's last label is IGNORE.

    Args:
        entries: A corpus store, or entries.
        role: Whose entries are taken; `all` takes every role. Entries of role `all` always are.
        tokenizer: From `load_tokenizer`.
        max_length: Longest row in tokens.
        options: How entries become rows.
        cache: Rows made before.
        copied: Answers that are learnt elsewhere; None finds those that stand twice in what is taken.
    """

    def __init__(
        self,
        entries: CorpusStore | Iterable[CorpusEntry],
        role: str,
        tokenizer: PreTrainedTokenizerFast,
        max_length: int = 2048,
        *,
        options: DatasetOptions | None = None,
        cache: RowCache | None = None,
        copied: Copied | None = None,
    ) -> None:
        self.options = options or DatasetOptions()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._cache = {} if cache is None else cache
        self._makers: dict[str, RowMaker] = {}
        chosen = selected(entries, role, self.options.select, mode=self.options.mode)
        self._copied = chosen.copied if copied is None else copied
        self.dropped: Counter[str] = Counter(chosen.dropped)
        self.entries: list[CorpusEntry] = []
        "Entries that gave at least one row."
        self.rows: list[Row | Pair] = []
        self.owners: list[str] = []
        "Per row, its entry's id."
        for entry in chosen.kept:
            self._add(entry)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = self.rows[index]
        if isinstance(row, Row):
            ids, labels = _aligned(row)
            return {"input_ids": ids, "labels": labels, "positions": torch.arange(len(ids))}
        chosen_ids, chosen_labels = _aligned(row.chosen)
        rejected_ids, rejected_labels = _aligned(row.rejected)
        return {
            "chosen_ids": chosen_ids,
            "chosen_labels": chosen_labels,
            "rejected_ids": rejected_ids,
            "rejected_labels": rejected_labels,
        }

    @property
    def pad_id(self) -> int:
        """The id that fills a row's end."""
        pad = self.tokenizer.pad_token_id
        return pad if isinstance(pad, int) else 0

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each row; of a pair, of its longer side."""
        return [max(len(side.ids) for side in _sides(row)) for row in self.rows]

    @cached_property
    def digest(self) -> str:
        """sha256, in hex, of every id and what of it is learnt."""
        total = hashlib.sha256()
        for row in self.rows:
            for side in _sides(row):
                total.update(json.dumps([len(side.ids), side.spans]).encode())
                total.update(side.ids.astype("<i4").tobytes())
        return total.hexdigest()

    @property
    def report(self) -> DataReport:
        """What is in it and what is not."""
        sides = [side for row in self.rows for side in _sides(row)]
        return DataReport(
            entries=len(self.entries),
            rows=len(self.rows),
            tokens=sum(len(side.ids) for side in sides),
            supervised=sum(side.n_supervised for side in sides),
            dropped=dict(self.dropped),
        )

    def renderer(self, role: str) -> Renderer:
        """The renderer of a role's entries."""
        return self._maker(role).renderer

    def _maker(self, role: str) -> RowMaker:
        if role not in self._makers:
            self._makers[role] = RowMaker(
                Renderer(self.tokenizer, self.options.profile_for(role)),
                mode=self.options.mode,
                max_length=self.max_length,
                over_length=self.options.over_length,
            )
        return self._makers[role]

    def _add(self, entry: CorpusEntry) -> None:
        maker = self._maker(entry.role)
        digest = entry.content_digest or entry.digest()
        copied = sorted(self._copied.get(entry.id, ()))
        how = (maker.renderer.digest, maker.mode, str(maker.max_length), maker.over_length)
        key = (digest, *how, repr(copied))
        if key not in self._cache:
            self._cache[key] = maker.rows(entry, copied)
        found = self._cache[key]
        self.dropped.update(found.dropped)
        if found.rows:
            self.entries.append(entry)
        self.rows += found.rows
        self.owners += [entry.id] * len(found.rows)


def _sides(row: Row | Pair) -> tuple[Row, ...]:
    return (row,) if isinstance(row, Row) else (row.chosen, row.rejected)


def _aligned(row: Row) -> tuple[Tensor, Tensor]:
    """Ids and labels (tokens,); a label says what comes next."""
    ids = torch.from_numpy(row.ids.astype("int64"))
    labels = torch.full_like(ids, IGNORE)
    for start, end in row.spans:
        first = max(start, 1)
        labels[first - 1 : end - 1] = ids[first:end]
    return ids, labels
