# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from node0.finetune.rag.terms import coded_terms, count_of_terms, decoded_terms, hash_of, stem, words_of


@pytest.mark.parametrize(
    "text", ["gt-abc12", "mol-polecat-work", "docs/rigs.md", "gt-abc12.3", "127.0.0.1:3307"]
)
def test_an_id_is_a_term_whole_and_in_its_parts(text: str) -> None:
    found = words_of(f"(see {text}, please)")

    assert text in found
    assert {
        stem(part) for part in text.replace("/", "-").replace(":", "-").replace(".", "-").split("-")
    } <= set(found)


def test_a_sentence_is_its_words_without_case_and_endings() -> None:
    assert words_of("Merged branches; MERGING a branch!") == ["merg", "branch", "merg", "a", "branch"]


@pytest.mark.parametrize(
    "words",
    [
        ("merge", "merges", "merged", "merging"),
        ("stop", "stops", "stopped", "stopping"),
        ("query", "queries"),
        ("hook", "hooks", "hooked"),
    ],
)
def test_forms_of_a_word_meet(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize("word", ["status", "class", "this", "3307s", "bed", "gas"])
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    assert stem(word) == word


def test_terms_come_back_with_their_counts_and_several_texts_end_to_end() -> None:
    coded = [coded_terms("dog dog cat"), coded_terms(""), coded_terms("cat")]

    hashes, counts = decoded_terms(b"".join(coded))

    assert [count_of_terms(one) for one in coded] == [2, 0, 1]
    assert dict(zip(hashes[:2].tolist(), counts[:2].tolist(), strict=True)) == {
        hash_of("dog"): 2,
        hash_of("cat"): 1,
    }
    assert hashes.dtype == np.uint64
    assert hashes[2] == hash_of("cat")


def test_text_of_no_words_and_of_broken_signs_has_terms_or_none() -> None:
    assert words_of(" \n--- … ") == []
    assert coded_terms("half \ud800 sign")
