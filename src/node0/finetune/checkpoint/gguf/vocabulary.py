# SPDX-License-Identifier: Apache-2.0
"""A tokenizer as a GGUF file holds it, which is all that llama.cpp has to make ids of a text."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Literal

Kind = Literal["gpt2", "llama"]
"llama.cpp's names of byte-level BPE and of SentencePiece's BPE."

_PREFIX = "tokenizer.ggml."


class TokenType(IntEnum):
    """What a token is to llama.cpp."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    "Special: not shown, and found in a text only where special tokens are asked for."
    USER_DEFINED = 4
    "Found in a text before anything else."
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens and rules; two that are equal make the same ids."""

    model: Kind
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...] = ()
    "Pairs that BPE joins, `left right`, the first one first."

    scores: tuple[float, ...] = ()
    "Of each token of SentencePiece, the highest joined first."

    pre: str = "default"
    "llama.cpp's name of the rule by which BPE cuts a text beforehand."

    bos: int | None = None
    eos: int | None = None
    eot: int | None = None
    "What ends an answer, where `eos` does not."

    unk: int | None = None
    pad: int | None = None
    add_bos: bool = False
    add_eos: bool = False
    add_space_prefix: bool = False
    chat_template: str | None = None

    def metadata(self) -> dict[str, Any]:
        """The fields of a GGUF file, all of them named."""
        found: dict[str, Any] = {
            f"{_PREFIX}model": self.model,
            f"{_PREFIX}pre": self.pre,
            f"{_PREFIX}tokens": list(self.tokens),
            f"{_PREFIX}token_type": [int(kind) for kind in self.types],
            f"{_PREFIX}add_bos_token": self.add_bos,
            f"{_PREFIX}add_eos_token": self.add_eos,
            f"{_PREFIX}add_space_prefix": self.add_space_prefix,
        }
        if self.scores:
            found[f"{_PREFIX}scores"] = [float(score) for score in self.scores]
        if self.model == "gpt2":
            # llama.cpp asks for the field, and no array of GGUF is empty.
            found[f"{_PREFIX}merges"] = list(self.merges) or [""]
        found |= {
            f"{_PREFIX}{field}": number
            for name, field in _IDS.items()
            if (number := getattr(self, name)) is not None
        }
        if self.chat_template is not None:
            found["tokenizer.chat_template"] = self.chat_template
        return found

    @classmethod
    def from_metadata(cls, stored: Mapping[str, Any]) -> "Vocabulary":
        """What `metadata` was written from.

        Raises:
            KeyError: a field that every file has is absent.
        """
        ids = {name: stored.get(f"{_PREFIX}{field}") for name, field in _IDS.items()}
        return cls(
            model=stored[f"{_PREFIX}model"],
            tokens=tuple(stored[f"{_PREFIX}tokens"]),
            types=tuple(stored[f"{_PREFIX}token_type"]),
            merges=tuple(merge for merge in stored.get(f"{_PREFIX}merges", ()) if merge),
            scores=tuple(stored.get(f"{_PREFIX}scores", ())),
            pre=stored[f"{_PREFIX}pre"],
            add_bos=stored[f"{_PREFIX}add_bos_token"],
            add_eos=stored[f"{_PREFIX}add_eos_token"],
            add_space_prefix=stored[f"{_PREFIX}add_space_prefix"],
            chat_template=stored.get("tokenizer.chat_template"),
            **ids,
        )

    def differences(self, other: "Vocabulary") -> list[str]:
        """Names of the fields in which `other` is another tokenizer."""
        return [
            field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)
        ]


_IDS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "eot": "eot_token_id",
    "unk": "unknown_token_id",
    "pad": "padding_token_id",
}
