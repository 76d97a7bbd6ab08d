# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from node0.finetune.inference.text import TextStream


def _byte_level(merges: list[tuple[str, str]]) -> Tokenizer:
    """One id per byte, plus some merges, as GPT-2, Llama 3 and Qwen have it."""
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _metaspace() -> Tokenizer:
    """Words that begin with a mark for the space, as sentencepiece and Llama 2 have it."""
    words = ["<unk>", "▁the", "▁bead", "s", "▁", "!"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, "<unk>"))
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


BYTES = _byte_level([("h", "e"), ("l", "l"), ("Ġ", "b")])


def _stream(tokenizer: Tokenizer, ids: list[int], *stops: str) -> list[str]:
    stream = TextStream(tokenizer.decode, stops)
    return [*(stream.push(token) for token in ids), stream.finish()]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("hell b🚀é你👩‍🚀\n\N{REPLACEMENT CHARACTER}"), max_size=30))
def test_pieces_join_to_the_whole_text(text: str) -> None:
    assert "".join(_stream(BYTES, BYTES.encode(text).ids)) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 258), max_size=40))
def test_pieces_of_any_ids_join_to_their_decoding(ids: list[int]) -> None:
    assert "".join(_stream(BYTES, ids)) == BYTES.decode(ids)


def test_half_a_character_waits_for_its_other_half() -> None:
    ids = BYTES.encode("a🚀b").ids

    assert _stream(BYTES, ids) == ["a", "", "", "", "🚀", "b", ""]
    assert _stream(BYTES, ids[:3]) == ["a", "", "", "\N{REPLACEMENT CHARACTER}"]


def test_bytes_that_are_no_text_stream_too_and_no_window_grows() -> None:
    noise = BYTES.encode("é").ids[1]  # a byte that begins no character
    longest = 0

    def decode(ids: list[int]) -> str:
        nonlocal longest
        longest = max(longest, len(ids))
        return str(BYTES.decode(ids))

    stream = TextStream(decode)
    pieces = [stream.push(noise) for _ in range(500)]

    assert sum(map(len, pieces)) == 497
    assert "".join([*pieces, stream.finish()]) == "\N{REPLACEMENT CHARACTER}" * 500
    assert longest < 32


def test_a_piece_keeps_its_leading_space() -> None:
    assert _stream(_metaspace(), [1, 2, 3, 1, 4, 5]) == ["the", " bead", "s", " the", " ", "!", ""]


def test_a_text_without_ids_stands_where_it_came_and_a_space_after_it_stays() -> None:
    words = _metaspace()
    stream = TextStream(lambda ids: words.decode(ids, skip_special_tokens=True))

    pieces = [stream.push(1), stream.push_text("ö"), stream.push(2), stream.push(3), stream.push_text("ß")]

    assert "".join([*pieces, stream.finish()]) == "theö beadsß"


def test_a_stop_string_is_found_in_a_text_without_ids_too() -> None:
    stream = TextStream(lambda ids: BYTES.decode(ids), ["ö!"])
    (sign,) = BYTES.encode("!").ids

    assert [stream.push_text("aö"), stream.push(sign), stream.stopped_by] == ["a", "", "ö!"]


def test_ascii_text_never_waits() -> None:
    pieces = _stream(BYTES, BYTES.encode("hello beads").ids)

    assert all(pieces[:-1])


def test_a_stop_string_is_cut_off_even_across_ids() -> None:
    pieces = _stream(BYTES, BYTES.encode("go on\nHuman: no").ids, "\nHuman:")

    assert "".join(pieces) == "go on"


def test_the_first_of_several_stop_strings_ends_the_text() -> None:
    stream = TextStream(BYTES.decode, ["END", "stop"])

    text = "".join(stream.push(token) for token in BYTES.encode("a stop END").ids)

    assert text + stream.finish() == "a "
    assert stream.stopped


def test_the_beginning_of_a_stop_string_is_held_back_and_then_released() -> None:
    pieces = _stream(BYTES, BYTES.encode("aENa").ids, "END")

    assert pieces == ["a", "", "", "ENa", ""]
    assert "".join(_stream(BYTES, BYTES.encode("aEN").ids, "END")) == "aEN"


@pytest.mark.parametrize("stops", [(), ("",)])
def test_without_stop_strings_nothing_stops(stops: tuple[str, ...]) -> None:
    stream = TextStream(BYTES.decode, stops)

    assert stream.push(BYTES.encode("h").ids[0]) == "h"
    assert not stream.stopped
