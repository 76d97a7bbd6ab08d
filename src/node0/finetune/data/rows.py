# SPDX-License-Identifier: Apache-2.0
"""Make the training rows of a corpus entry."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from jinja2.exceptions import TemplateError

from node0.errors import BadCorpus
from node0.finetune.chat.messages import Message, blocks, text_of
from node0.finetune.chat.render import RenderedExample, Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.calls import (
    Dialogue,
    DialoguePair,
    as_messages,
    dialogue_pair,
    dialogues,
)
from node0.finetune.data.select import Mode, is_document

OverLength = Literal["split", "drop", "refuse"]


@dataclass(frozen=True, slots=True)
class Row:
    """One document: ids and what of them is to be learnt."""

    ids: npt.NDArray[np.int32]
    spans: tuple[tuple[int, int], ...]
    "Learnt are ids[start:end]."

    @property
    def n_supervised(self) -> int:
        """Learnt tokens; the first of a document follows nothing and cannot be."""
        return sum(end - max(start, 1) for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference: two continuations of one prompt."""

    chosen: Row
    rejected: Row


@dataclass(frozen=True)
class EntryRows:
    """What one entry gives."""

    rows: tuple[Row | Pair, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)
    "Reason -> answers, pairs or documents that are not trained on."


class RowMaker:
    """Makes rows of at most `max_length` tokens.

    What is longer is split, dropped and counted, or refuses the run. A split starts each piece with
    the system prompt and the tools, keeps up to half a row of the turns before it as context, and
    supervises each answer once. A text is cut anywhere.
    """

    def __init__(self, renderer: Renderer, *, mode: Mode, max_length: int, over_length: OverLength) -> None:
        self.renderer = renderer
        self.mode = mode
        self.max_length = max_length
        self.over_length = over_length

    def rows(self, entry: CorpusEntry, copied: Collection[int] = ()) -> EntryRows:
        """The entry's rows.

        Args:
            entry: What they are made of.
            copied: Places in its messages of answers that are learnt in another entry.

        Raises:
            BadCorpus: Something is longer than a row and `over_length` is "refuse".
        """
        dropped: Counter[str] = Counter()
        make: dict[Mode, Callable[[CorpusEntry, Counter[str]], Iterator[Row | Pair]]] = {
            "sft": partial(self._answers, copied=copied),
            "dpo": self._pair,
            "pretrain": self._texts,
        }
        try:
            return EntryRows(tuple(make[self.mode](entry, dropped)), dropped)
        except TemplateError:
            return EntryRows((), Counter({"refused by the chat template": 1}))

    def _answers(
        self, entry: CorpusEntry, dropped: Counter[str], *, copied: Collection[int]
    ) -> Iterator[Row]:
        found, reasons = dialogues(entry, self.renderer.profile, copied)
        dropped.update(reasons)
        for dialogue in found:
            for example in self._examples(dialogue):
                if len(example.ids) <= self.max_length:
                    yield _row(example)
                elif self._may_split(entry, len(example.ids)):
                    yield from self._split(dialogue, example, dropped)
                else:
                    dropped["over_length"] += len(example.spans)

    def _examples(self, dialogue: Dialogue) -> Iterator[RenderedExample]:
        groups = [[answer] for answer in dialogue.answers] if self.renderer.one_answer else [dialogue.answers]
        for answers in groups:
            yield self.renderer.example(dialogue.messages, dialogue.tools, dialogue.system, answers=answers)

    def _split(self, dialogue: Dialogue, whole: RenderedExample, dropped: Counter[str]) -> Iterator[Row]:
        todo = [span.message for span in whole.spans]
        ends = {span.message: span.end for span in whole.spans}
        while todo:
            piece = self._piece(dialogue, todo, ends)
            if piece is None:
                dropped["over_length"] += 1
                todo = todo[1:]
            else:
                yield _row(piece)
                todo = todo[len(piece.spans) :]

    def _piece(self, dialogue: Dialogue, todo: list[int], ends: dict[int, int]) -> RenderedExample | None:
        """The example of as many of the next answers as fit; None where not even the first one does."""
        start = self._start(dialogue, todo[0])
        alone = self._rendered(dialogue, start, todo[:1])
        # Token counts of the whole tell roughly how many answers fit; rendering decides.
        room = self.max_length - len(alone.ids)
        count = sum(ends[answer] - ends[todo[0]] <= room for answer in todo)
        for taken in range(count, 0, -1):
            piece = self._rendered(dialogue, start, todo[:taken])
            if len(piece.ids) <= self.max_length:
                return piece
        return None

    def _start(self, dialogue: Dialogue, answer: int) -> int:
        """Where a piece begins: all history if it fits, else half a row of it, else the last turn alone."""
        starts = _starts(dialogue.messages, answer)
        if self._fits(dialogue, 0, answer, self.max_length):
            return 0
        half = self.max_length // 2
        place = bisect_left(starts, True, key=lambda start: self._fits(dialogue, start, answer, half))
        return starts[min(place, len(starts) - 1)]

    def _fits(self, dialogue: Dialogue, start: int, answer: int, limit: int) -> bool:
        return len(self._rendered(dialogue, start, [answer]).ids) <= limit

    def _rendered(self, dialogue: Dialogue, start: int, answers: Sequence[int]) -> RenderedExample:
        shifted = [answer - start for answer in answers]
        return self.renderer.example(
            dialogue.messages[start:], dialogue.tools, dialogue.system, answers=shifted
        )

    def _pair(self, entry: CorpusEntry, dropped: Counter[str]) -> Iterator[Pair]:
        sides = dialogue_pair(entry, self.renderer.profile, one_answer=self.renderer.one_answer)
        if sides is None:
            dropped["pair without a difference"] += 1
            return
        pair = self._pair_from(sides, 0)
        if _longest(pair) > self.max_length and self._may_split(entry, _longest(pair)):
            starts = _starts(sides.chosen.messages, sides.shared)
            fits = [start for start in starts if _longest(self._pair_from(sides, start)) <= self.max_length]
            pair = self._pair_from(sides, fits[0]) if fits else pair
        if _longest(pair) > self.max_length:
            dropped["over_length"] += 1
        else:
            yield pair

    def _pair_from(self, sides: DialoguePair, start: int) -> Pair:
        chosen, rejected = (
            _row(self._rendered(side, start, side.answers)) for side in (sides.chosen, sides.rejected)
        )
        return Pair(chosen, rejected)

    def _texts(self, entry: CorpusEntry, dropped: Counter[str]) -> Iterator[Row]:
        for ids in self._whole_texts(entry, dropped):
            pieces = [ids[at : at + self.max_length] for at in range(0, len(ids), self.max_length)]
            if len(pieces) > 1 and not self._may_split(entry, len(ids)):
                dropped["over_length"] += 1
                continue
            for piece in pieces:
                if len(piece) > 1:
                    yield Row(np.array(piece, dtype=np.int32), ((0, len(piece)),))

    def _whole_texts(self, entry: CorpusEntry, dropped: Counter[str]) -> Iterator[list[int]]:
        if is_document(entry):
            yield self.renderer.document_ids("\n\n".join(map(text_of, as_messages(entry.messages))))
            return
        found, reasons = dialogues(entry, self.renderer.profile)
        dropped.update(reasons)
        for dialogue in found:
            yield self.renderer.example(
                dialogue.messages, dialogue.tools, dialogue.system, answers=dialogue.answers
            ).ids

    def _may_split(self, entry: CorpusEntry, length: int) -> bool:
        if self.over_length == "refuse":
            raise BadCorpus(
                f"entry {entry.id} has {length} tokens, more than max_length {self.max_length}: raise it, "
                "or set over_length to split or drop"
            )
        return self.over_length == "split"


def _row(example: RenderedExample) -> Row:
    spans = tuple((start, end) for _, start, end in example.spans)
    return Row(np.array(example.ids, dtype=np.int32), spans)


def _longest(pair: Pair) -> int:
    return max(len(pair.chosen.ids), len(pair.rejected.ids))


def _starts(messages: Sequence[Message], answer: int) -> list[int]:
    """Where a conversation that ends with this answer may begin, so that results keep their calls."""
    starts = [0]
    for number in range(1, answer):
        if messages[number]["role"] == "assistant" or (
            messages[number - 1]["role"] == "assistant" and not _has_result(messages[number])
        ):
            starts.append(number)
    return starts


def _has_result(message: Message) -> bool:
    return any(block["type"] == "tool_result" for block in blocks(message))
