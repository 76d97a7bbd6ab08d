# SPDX-License-Identifier: Apache-2.0
"""Turn a Hugging Face tokenizer into the vocabulary of a GGUF file, proven by what it does to texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerFast

from node0.errors import ConfigError
from node0.finetune.checkpoint.gguf.pre_tokenizers import PRE_TOKENIZERS
from node0.finetune.checkpoint.gguf.tokenize import SPACE, GgufTokenizer
from node0.finetune.checkpoint.gguf.vocabulary import TokenType, Vocabulary

PROBES = (
    "The quick brown fox isn't here; we'll see, I'VE said, it's 3 33 333 3333 times: $1,234.56 (50%)!",
    'def add(left, right):\n    if left:\n\t\treturn left+right  # sum\n\n\n        pass\r\n{"a":[1, 2]}',
    "  two  blanks   and\n \n  lines \t\ttabs ... ------ ====== https://example.com/a_b?c=d&e=f to/file.py ",
    "Größe naïve résumé камень 東京 で 한국어 สวัสดี 🚀🙂 ½ ① “quoted” – dash… HTMLParser fooBAR",
)
"Texts on which rules of cutting differ; composed letters (NFC) only, since llama.cpp composes none itself."

_BYTES = {f"<0x{byte:02X}>" for byte in range(256)}
_MOST_ADDED = 100
_LOWEST = -1e6
"Score of a token that no merge makes."


def read_vocabulary(
    tokenizer: PreTrainedTokenizerFast,
    rows: int,
    *,
    stop_ids: Sequence[int] = (),
    chat_template: str | None = None,
    pre: str | None = None,
) -> Vocabulary:
    """The tokenizer's vocabulary, filled up to the model's `rows`.

    Args:
        rows: Rows of the embedding.
        stop_ids: What ends an answer, beside the end of a text.
        chat_template: In place of the tokenizer's own.
        pre: llama.cpp's name of the rule that cuts texts; None finds it.

    Raises:
        ConfigError: llama.cpp has no such kind of tokenizer, or no rule that cuts as this one does.
    """
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    model = described["model"]
    if model["type"] != "BPE":
        raise ConfigError(
            f"a tokenizer of the kind {model['type']} is not written as GGUF, only BPE is; "
            "export the model as merged or peft"
        )
    byte_level = not model.get("byte_fallback") and not _has_bytes(model["vocab"])
    tokens, types = _tokens(tokenizer, rows, byte_level=byte_level)
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            "the tokenizer names no eos_token, and llama.cpp would take token 11 for it; name it"
        )
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    vocabulary = Vocabulary(
        model="gpt2" if byte_level else "llama",
        tokens=tokens,
        types=types,
        merges=tuple(merges) if byte_level else (),
        scores=() if byte_level else _scores(tokens, merges),
        bos=tokenizer.bos_token_id,
        eos=tokenizer.eos_token_id,
        eot=next((number for number in stop_ids if number != tokenizer.eos_token_id), None),
        unk=tokenizer.unk_token_id,
        pad=tokenizer.pad_token_id,
        **_added_around(tokenizer),
        add_space_prefix=not byte_level and _adds_blank(tokenizer),
        chat_template=chat_template or _template(tokenizer),
    )
    return _with_pre(vocabulary, tokenizer, pre) if byte_level else _proven(vocabulary, tokenizer)


def differing_text(
    vocabulary: Vocabulary, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]
) -> str | None:
    """The first text of which the vocabulary makes other ids than the tokenizer; None when there is none."""
    made = GgufTokenizer(vocabulary)
    return next((text for text in texts if made.encode(text) != plain_ids(tokenizer, text)), None)


def plain_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Ids of a text, none added around it."""
    return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


def _with_pre(vocabulary: Vocabulary, tokenizer: PreTrainedTokenizerFast, pre: str | None) -> Vocabulary:
    if pre is not None:
        if pre not in PRE_TOKENIZERS:
            raise ConfigError(f"no rule {pre!r} is known here; take one of {', '.join(PRE_TOKENIZERS)}")
        return replace(vocabulary, pre=pre)
    ignores = bool(json.loads(tokenizer.backend_tokenizer.to_str())["model"].get("ignore_merges"))
    # Where no merge shows a difference, the rule that also treats merges alike is the model's own.
    names = sorted(PRE_TOKENIZERS, key=lambda name: PRE_TOKENIZERS[name].ignore_merges != ignores)
    texts = _probes(tokenizer)
    candidates = (replace(vocabulary, pre=name) for name in names)
    found = next((each for each in candidates if differing_text(each, tokenizer, texts) is None), None)
    if found is None:
        raise ConfigError(
            "llama.cpp has no rule that cuts texts as this tokenizer does; name the nearest with pre= "
            f"({', '.join(PRE_TOKENIZERS)}), or export as merged or peft"
        )
    return found


def _proven(vocabulary: Vocabulary, tokenizer: PreTrainedTokenizerFast) -> Vocabulary:
    if (text := differing_text(vocabulary, tokenizer, _probes(tokenizer))) is not None:
        raise ConfigError(
            f"llama.cpp's SentencePiece makes other ids of {text[:40]!r} than this tokenizer; "
            "export the model as merged or peft"
        )
    return vocabulary


def _probes(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Texts to tell tokenizers apart, with some of the words that were added to this one."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if not token.special]
    return [*PROBES, *(f"a {word}, {word}b{word}" for word in added[:_MOST_ADDED])]


def _tokens(
    tokenizer: PreTrainedTokenizerFast, rows: int, *, byte_level: bool
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Text and kind of every id."""
    texts = {
        number: text
        for text, number in tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).items()
    }
    kinds = {
        number: TokenType.BYTE if not byte_level and text in _BYTES else TokenType.NORMAL
        for number, text in texts.items()
    }
    for number, added in tokenizer.added_tokens_decoder.items():
        # Byte-level pieces are spelled in other letters; an added token is found as it stands.
        texts[number] = added.content
        kinds[number] = TokenType.CONTROL if added.special else TokenType.USER_DEFINED
    if not byte_level and tokenizer.unk_token_id is not None:
        kinds[tokenizer.unk_token_id] = TokenType.UNKNOWN
    tokens = tuple(texts.get(number, f"[PAD{number}]") for number in range(rows))
    _refuse_unfit(tokens, largest=max(texts), rows=rows)
    return tokens, tuple(int(kinds.get(number, TokenType.UNUSED)) for number in range(rows))


def _refuse_unfit(tokens: Sequence[str], *, largest: int, rows: int) -> None:
    if largest >= rows:
        raise ConfigError(
            f"the tokenizer has ids up to {largest}, the model {rows} rows; take the base's own"
        )
    if len(set(tokens)) < len(tokens):
        twice = next(token for at, token in enumerate(tokens) if token in tokens[:at])
        raise ConfigError(
            f"two ids have the text {twice!r}, which llama.cpp refuses; export as merged or peft"
        )


def _scores(tokens: Sequence[str], merges: Sequence[str]) -> tuple[float, ...]:
    """A token that an earlier merge makes has a higher score; the sums of SentencePiece are not kept."""
    made: dict[str, float] = {}
    for rank, merge in enumerate(merges):
        made.setdefault(merge.replace(" ", "", 1), -float(rank))
    return tuple(made.get(token, _LOWEST) for token in tokens)


def _has_bytes(vocab: Mapping[str, int]) -> bool:
    return vocab.keys() >= _BYTES or any(token.startswith(SPACE) for token in vocab)


def _added_around(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Whether the tokenizer puts bos before and eos behind a text."""
    ids = tokenizer.backend_tokenizer.encode("a", add_special_tokens=True).ids
    return {
        "add_bos": tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id,
        "add_eos": ids[-1] == tokenizer.eos_token_id,
    }


def _adds_blank(tokenizer: PreTrainedTokenizerFast) -> bool:
    tokens = tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).tokens
    return bool(tokens) and tokens[0].startswith(SPACE)


def _template(tokenizer: PreTrainedTokenizerFast) -> str | None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None
