# SPDX-License-Identifier: Apache-2.0
import random
from typing import Any

import pytest

from node0.finetune.corpus.quality.near_duplicates import (
    duplicates,
    own_text,
    shingles,
    signature,
    similarity,
)
from node0.finetune.corpus.schema import CorpusEntry

WORDS = [f"w{number}" for number in range(2000)]


def entry(name: str, words: list[str], **more: Any) -> CorpusEntry:
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": " ".join(words)}]
    facts = {"rig": "demo", "task_type": "patrol", "outcome": "success", "messages": turns}
    created = "2026-01-05T06:00:00Z"
    return CorpusEntry.model_validate({"id": name, "role": "deacon", "created_at": created, **facts, **more})


def text(seed: int, length: int = 300) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def changed(words: list[str], every: int) -> list[str]:
    return ["changed" if number % every == 0 else word for number, word in enumerate(words)]


def jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("every", [10, 40, 150, 10_000])
def test_the_estimate_is_near_the_jaccard_similarity(every: int) -> None:
    for seed in range(5):
        words = text(seed, 600)
        one, other = shingles(" ".join(words)), shingles(" ".join(changed(words, every)))

        estimate = similarity(signature(one), signature(other))

        # Four standard errors of 256 bins.
        assert abs(estimate - jaccard(one, other)) < 0.125


def test_exact_and_near_copies_are_found_beside_the_oldest() -> None:
    words = text(0)
    entries = [
        entry("copy", words, created_at="2026-01-06"),
        entry("first", words),
        entry("near", changed(words, 150), created_at="2026-01-07"),
        entry("nearcopy", changed(words, 150), created_at="2026-01-08"),
        entry("far", changed(words, 4), created_at="2026-01-09"),
        entry("other", text(1)),
    ]

    found = {repeat.id: (repeat.of, repeat.exact) for repeat in duplicates(entries)}

    assert found == {"copy": ("first", True), "near": ("first", False), "nearcopy": ("first", False)}
    assert [repeat.id for repeat in duplicates(entries, threshold=1.0)] == ["copy", "nearcopy"]


def test_entries_of_one_conversation_are_compared_by_what_they_add() -> None:
    shared, more = text(0), text(1, 20)
    turns = [
        {"role": "user", "content": " ".join(shared)},
        {"role": "assistant", "content": "one answer of its own"},
        {"role": "user", "content": "next"},
        {"role": "assistant", "content": " ".join(more)},
    ]
    calls = [[{"n_messages": number, "system": "s", "tools": "t"}] for number in (1, 3)]
    first = entry("a", [], messages=turns[:2], requests=calls[0])
    second = entry("b", [], messages=turns, requests=calls[1])

    assert own_text(second) == "next\n" + " ".join(more)
    assert duplicates([first, second]) == []


def test_ids_of_calls_make_no_difference() -> None:
    def called(name: str) -> CorpusEntry:
        block = {"type": "tool_use", "id": name, "name": "Bash", "input": {"command": "gt hook"}}
        return entry(name, [], messages=[{"role": "assistant", "content": [block]}])

    assert [(repeat.id, repeat.exact) for repeat in duplicates([called("a"), called("b")])] == [("b", True)]


def test_short_and_empty_texts_have_signatures_too() -> None:
    assert similarity(signature(shingles("one two")), signature(shingles("One, two!"))) == 1.0
    assert similarity(signature(shingles("one two")), signature(shingles("one three"))) < 0.1
    assert duplicates([entry("a", []), entry("b", ["x"])]) == []


def test_every_pair_well_above_the_threshold_meets_in_a_band() -> None:
    bases = [text(seed) for seed in range(30)]
    entries = [entry(f"b{number}", words) for number, words in enumerate(bases)]
    entries += [
        entry(f"c{number}", changed(words, 150), created_at="2026-02-01")
        for number, words in enumerate(bases)
    ]

    assert len(duplicates(entries)) == 30
