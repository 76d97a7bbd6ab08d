# SPDX-License-Identifier: Apache-2.0
from tiny_chat import SESSION, entry, recorded, says, system, tiny_tokenizer, user

from node0.finetune.chat.render import Renderer
from node0.finetune.data.preview import preview

RENDERER = Renderer(tiny_tokenizer())


def test_a_preview_tells_what_is_trained() -> None:
    (row,) = preview(entry([user("a"), says("b"), user("c"), says("d")]), RENDERER)

    assert [(part.text, part.trained) for part in row.segments] == [
        ("<s><|user|>a<|end|><|assistant|>", False),
        ("b<|end|>", True),
        ("<|user|>c<|end|><|assistant|>", False),
        ("d<|end|>", True),
    ]
    assert (row.n_tokens, row.n_trained) == (13, 4)


def test_a_preview_shows_both_sides_of_a_pair() -> None:
    pair = entry([user("a")], chosen=[says("b")], rejected=[says("c")])

    assert [row.name for row in preview(pair, RENDERER)] == ["chosen", "rejected"]


def test_a_preview_of_a_document_is_trained_throughout() -> None:
    (row,) = preview(entry([system("words")], source="document"), RENDERER)

    assert row.n_trained == row.n_tokens == 7


def test_a_preview_splits_as_training_does() -> None:
    whole = preview(recorded(SESSION), RENDERER)
    split = preview(recorded(SESSION), RENDERER, max_length=whole[0].n_tokens - 1)

    assert len(split) == 2
    assert sum(row.n_trained for row in split) == whole[0].n_trained
