# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.checkpoint.gguf.tokenize import GgufTokenizer
from node0.finetune.checkpoint.gguf.vocabulary import TokenType, Vocabulary

N, C, U = TokenType.NORMAL, TokenType.CONTROL, TokenType.USER_DEFINED


def _bpe(*tokens: str, merges: tuple[str, ...] = (), pre: str = "gpt-2", **kinds: TokenType) -> GgufTokenizer:
    types = tuple(kinds.get(token, N) for token in tokens)
    return GgufTokenizer(Vocabulary(model="gpt2", tokens=tokens, types=types, merges=merges, pre=pre))


def _texts(made: GgufTokenizer, text: str) -> list[str]:
    return [made.vocabulary.tokens[number] for number in made.encode(text)]


def test_the_earliest_merge_is_made_first_and_of_equals_the_leftmost() -> None:
    made = _bpe("a", "b", "ab", "ba", "aba", merges=("b a", "a b", "ab a"))

    assert _texts(made, "aba") == ["a", "ba"]
    assert _texts(made, "baba") == ["ba", "ba"]


def test_merges_do_not_cross_a_cut() -> None:
    made = _bpe("a", "Ġ", "1", "Ġa", "a1", merges=("Ġ a", "a 1"))

    assert _texts(made, "a a1") == ["a", "Ġa", "1"]


def test_the_last_of_several_blanks_goes_with_the_word() -> None:
    made = _bpe("a", "Ġ", "Ġa", "ĠĠ", merges=("Ġ Ġ", "Ġ a"))

    assert _texts(made, "a   a") == ["a", "ĠĠ", "Ġa"]


def test_a_whole_piece_is_taken_where_the_rule_ignores_merges() -> None:
    tokens = ("a", "b", "c", "bc", "abc")

    assert _texts(_bpe(*tokens, merges=("b c",), pre="llama-bpe"), "abc") == ["abc"]
    assert _texts(_bpe(*tokens, merges=("b c",), pre="smaug-bpe"), "abc") == ["a", "bc"]


def test_the_longest_special_token_is_found_first_wherever_it_stands() -> None:
    made = _bpe("a", "b", "c", "ab", "bcc", ab=U, bcc=C)

    assert _texts(made, "abcc") == ["a", "bcc"]


def test_a_byte_without_a_token_is_lost_as_in_llama_cpp() -> None:
    assert _texts(_bpe("a", "b", "ab", merges=("a b",)), "aXb") == ["a", "b"]


def test_sentencepiece_joins_the_highest_score_first() -> None:
    tokens = ("<unk>", "▁", "a", "b", "▁a", "ab", "▁ab")
    made = GgufTokenizer(
        Vocabulary(
            model="llama",
            tokens=tokens,
            types=(TokenType.UNKNOWN, N, N, N, N, N, N),
            scores=(-9, -9, -9, -9, -2, -1, -3),
            add_space_prefix=True,
        )
    )

    assert _texts(made, "ab a") == ["▁ab", "▁a"]


@pytest.mark.parametrize(
    ("text", "expected"), [("é", ["<0xC3>", "<0xA9>"]), ("aé", ["a", "<0xC3>", "<0xA9>"])]
)
def test_sentencepiece_spells_unknown_letters_in_bytes(text: str, expected: list[str]) -> None:
    tokens = ("a", "<0xC3>", "<0xA9>")
    made = GgufTokenizer(
        Vocabulary(model="llama", tokens=tokens, types=(N, TokenType.BYTE, TokenType.BYTE), scores=(0, 0, 0))
    )

    assert _texts(made, text) == expected
