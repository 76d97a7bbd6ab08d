# SPDX-License-Identifier: Apache-2.0
from typing import Any

import numpy as np
import pytest
from tiny_chat import SESSION, TEMPLATES, calls, entry, recorded, result, says, system, tiny_tokenizer, user

from node0.errors import BadCorpus
from node0.finetune.chat.render import Renderer
from node0.finetune.data.rows import OverLength, Pair, Row, RowMaker
from node0.finetune.data.select import Mode

TOKENIZER = tiny_tokenizer()
RENDERER = Renderer(TOKENIZER)
DOCUMENT = entry([system("abcdefgh")], source="document", outcome="collected")


def maker(mode: Mode = "sft", max_length: int = 4096, over_length: OverLength = "split") -> RowMaker:
    return RowMaker(RENDERER, mode=mode, max_length=max_length, over_length=over_length)


def learnt(row: Row) -> list[str]:
    return [TOKENIZER.decode(row.ids[start:end].tolist()) for start, end in row.spans]


def long_talk(turns: int) -> Any:
    messages = [user("start")]
    for number in range(turns):
        messages += [calls(f"step {number:02d}", number), result("r" * 40, number)]
    return recorded([*messages, says("done")])


def test_a_dialogue_is_one_row_that_learns_its_answers() -> None:
    (row,) = maker().rows(recorded([user("a"), says("b"), user("c"), says("d")])).rows

    assert isinstance(row, Row)
    assert learnt(row) == ["b<|end|>", "d<|end|>"]
    assert row.n_supervised == 4
    assert row.ids.dtype == np.int32


def test_the_first_token_of_a_document_follows_nothing_and_is_not_counted() -> None:
    (row,) = maker("pretrain").rows(DOCUMENT).rows

    assert isinstance(row, Row)
    assert row.spans == ((0, 10),)
    assert row.n_supervised == 9


@pytest.mark.parametrize("max_length", [400, 600, 900])
def test_pieces_of_a_split_fit_and_learn_each_answer_once(max_length: int) -> None:
    found = maker(max_length=max_length).rows(long_talk(9))

    texts = [text for row in found.rows if isinstance(row, Row) for text in learnt(row)]
    assert len(found.rows) > 1
    assert all(len(row.ids) <= max_length for row in found.rows if isinstance(row, Row))
    assert len(texts) + found.dropped["over_length"] == 10
    assert len(set(texts)) == len(texts)


def test_an_answer_that_fits_no_row_is_counted_and_the_rest_is_kept() -> None:
    found = maker(max_length=400).rows(recorded([user("x" * 900), says("b"), user("c"), says("d")]))

    assert [learnt(row) for row in found.rows if isinstance(row, Row)] == [["d<|end|>"]]
    assert found.dropped == {"over_length": 1}


def test_what_is_too_long_is_dropped_or_refused_where_that_is_wanted() -> None:
    assert maker(max_length=300, over_length="drop").rows(long_talk(9)).dropped == {"over_length": 10}
    with pytest.raises(BadCorpus, match=r"entry e1 has .* more than max_length 300"):
        maker(max_length=300, over_length="refuse").rows(long_talk(9))
    with pytest.raises(BadCorpus, match="entry e1 has 10 tokens"):
        maker("pretrain", 4, "refuse").rows(DOCUMENT)


def test_a_text_is_cut_anywhere_and_no_token_is_lost() -> None:
    rows = [row for row in maker("pretrain", 4).rows(DOCUMENT).rows if isinstance(row, Row)]

    assert [len(row.ids) for row in rows] == [4, 4, 2]
    assert TOKENIZER.decode(np.concatenate([row.ids for row in rows]).tolist()) == "<s>abcdefgh<|end|>"


def test_a_pair_is_shortened_alike_on_both_sides() -> None:
    prompt = [user("old" * 60), says("old"), user("new")]

    (pair,) = maker("dpo", 20).rows(entry(prompt, chosen=[says("yes")], rejected=[says("no")])).rows

    assert isinstance(pair, Pair)
    assert (learnt(pair.chosen), learnt(pair.rejected)) == (["yes<|end|>"], ["no<|end|>"])
    starts = [side.spans[0][0] for side in (pair.chosen, pair.rejected)]
    assert starts[0] == starts[1]
    assert pair.chosen.ids[: starts[0]].tolist() == pair.rejected.ids[: starts[0]].tolist()


def test_a_pair_without_a_difference_is_counted() -> None:
    same = entry([user("a")], chosen=[says("x")], rejected=[says("x")])

    assert maker("dpo").rows(same).dropped == {"pair without a difference": 1}


def test_what_a_template_refuses_is_counted_and_stops_nothing() -> None:
    tokenizer = tiny_tokenizer("chatml")
    refusing = "{% if messages[-1].content == 'refused' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer.chat_template = refusing + TEMPLATES["chatml"]
    rows = RowMaker(Renderer(tokenizer), mode="sft", max_length=4096, over_length="split")

    assert rows.rows(recorded([user("a"), says("refused")])).dropped == {"refused by the chat template": 1}
    assert len(rows.rows(recorded(SESSION)).rows) == 1
