# SPDX-License-Identifier: Apache-2.0
"""Tokenize a text by llama.cpp's rules, from nothing but what a GGUF file holds.

Slow, and meant for a few texts: it shows whether a file makes the ids that its source makes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from tokenizers import Regex, pre_tokenizers

from node0.finetune.checkpoint.gguf.pre_tokenizers import PRE_TOKENIZERS, PreTokenizer
from node0.finetune.checkpoint.gguf.vocabulary import TokenType, Vocabulary

SPACE = "▁"
"What stands for a blank in SentencePiece's tokens."

_SOUGHT = (TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN)
Join = Callable[[str, str], float | None]
"How early two neighbours are joined, the lowest first; None for never."


class GgufTokenizer:
    """Makes ids of texts; special tokens are found in them, and none is added."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._ids = {token: number for number, token in enumerate(vocabulary.tokens)}

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        found: list[int] = []
        after_special = True
        for piece in self._parted(text):
            if isinstance(piece, int):
                found.append(piece)
            elif self.vocabulary.model == "gpt2":
                found += [number for word in self._cut(piece) for number in self._word_ids(word)]
            else:
                blank = " " if after_special and self.vocabulary.add_space_prefix else ""
                found += self._sentence_ids((blank + piece).replace(" ", SPACE))
            after_special = isinstance(piece, int)
        return found

    def _parted(self, text: str) -> Iterator[str | int]:
        """The text without its special and added tokens, which come as ids; the longest are sought first."""
        parts: list[str | int] = [text]
        for token, number in self._sought:
            if token in text:
                parts = [
                    piece
                    for part in parts
                    for piece in (_around(part, token, number) if isinstance(part, str) else [part])
                ]
        yield from (part for part in parts if part != "")

    @cached_property
    def _sought(self) -> list[tuple[str, int]]:
        tokens, types = self.vocabulary.tokens, self.vocabulary.types
        sought = [(tokens[number], number) for number, kind in enumerate(types) if kind in _SOUGHT]
        return sorted(sought, key=lambda found: len(found[0].encode()), reverse=True)

    @cached_property
    def _rule(self) -> PreTokenizer:
        return PRE_TOKENIZERS[self.vocabulary.pre]

    @cached_property
    def _splitter(self) -> pre_tokenizers.Sequence:
        cuts = [pre_tokenizers.Split(Regex(rule), "isolated") for rule in self._rule.expressions]
        in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([*cuts, in_bytes])

    def _cut(self, text: str) -> list[str]:
        return [word for word, _ in self._splitter.pre_tokenize_str(text)]

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {_pair(merge): rank for rank, merge in reversed(list(enumerate(self.vocabulary.merges)))}

    def _word_ids(self, word: str) -> list[int]:
        if self._rule.ignore_merges and word in self._ids:
            return [self._ids[word]]
        ranks = self._ranks
        pieces = _joined(word, lambda left, right: ranks.get((left, right)))
        # A piece that is no token is left as its bytes, and a byte that is none is lost.
        known = (
            [piece] if piece in self._ids else [byte for byte in piece if byte in self._ids]
            for piece in pieces
        )
        return [self._ids[token] for tokens in known for token in tokens]

    def _sentence_ids(self, text: str) -> list[int]:
        scores, ids = self.vocabulary.scores, self._ids

        def early(left: str, right: str) -> float | None:
            number = ids.get(left + right)
            return None if number is None else -scores[number]

        return [number for piece in _joined(text, early) for number in self._piece_ids(piece)]

    def _piece_ids(self, piece: str) -> list[int]:
        if piece in self._ids:
            return [self._ids[piece]]
        return [self._ids[f"<0x{byte:02X}>"] for byte in piece.encode() if f"<0x{byte:02X}>" in self._ids]


def _joined(text: str, early: Join) -> list[str]:
    """Letters joined pair by pair: the earliest pair first, the leftmost of equals."""
    pieces = list(text)
    while True:
        ranked = [
            (rank, at)
            for at, (left, right) in enumerate(pairwise(pieces))
            if (rank := early(left, right)) is not None
        ]
        if not ranked:
            return pieces
        _, at = min(ranked)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


def _around(text: str, token: str, number: int) -> Sequence[str | int]:
    parts = re.split(f"({re.escape(token)})", text)
    return [number if at % 2 else part for at, part in enumerate(parts) if at % 2 or part]


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right
