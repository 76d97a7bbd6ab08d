# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_chat import SESSION, recorded, tiny_tokenizer, user

from node0.errors import BadCorpus
from node0.finetune.config import SelectConfig
from node0.finetune.data.dataset import DatasetOptions
from node0.finetune.data.train_val import make_datasets

TOKENIZER = tiny_tokenizer()


def test_an_empty_corpus_is_refused_with_the_reasons() -> None:
    with pytest.raises(BadCorpus, match="outcome: 1"):
        make_datasets([recorded(SESSION, outcome="failed")], "deacon", TOKENIZER)
    with pytest.raises(BadCorpus, match="it is empty"):
        make_datasets([], "deacon", TOKENIZER)


def test_held_out_sessions_are_not_trained_on() -> None:
    entries = [recorded(SESSION, id=f"e{n}", session_id=f"s{n}") for n in range(60)]

    made = make_datasets(entries, "deacon", TOKENIZER, val_split=0.2)

    assert len(made.val) > 0
    assert set(made.train.owners).isdisjoint(made.val.owners)
    assert len(made.train) + len(made.val) == 60


def test_what_is_left_out_of_either_side_is_counted_once() -> None:
    entries = [recorded(SESSION, id=f"e{n}", session_id=f"s{n}") for n in range(20)]
    entries += [recorded(SESSION, id="failed", outcome="failed"), recorded([user("go")], id="silent")]

    made = make_datasets(entries, "deacon", TOKENIZER, val_split=0.3)

    assert made.dropped == {"document": 1, "outcome": 1}
    assert made.train.options is made.val.options


def test_both_sides_share_the_rows_that_were_made() -> None:
    entries = [recorded(SESSION, id=f"e{n}", session_id=f"s{n}") for n in range(20)]

    made = make_datasets(entries, "deacon", TOKENIZER, val_split=0.3)

    assert made.val.rows[0] is made.train.rows[0]


def test_an_answer_that_two_sessions_hold_is_learnt_on_one_side_only() -> None:
    """Whichever side the earlier session is on; the count says how many were left out."""
    first = [recorded(SESSION, id=f"e{n}", session_id=f"s{n}") for n in range(20)]
    forks = [
        entry.model_copy(update={"id": f"f-{entry.id}", "session_id": f"{entry.id}-f"}) for entry in first
    ]

    made = make_datasets([*first, *forks], "deacon", TOKENIZER, val_split=0.3)

    alone = make_datasets(first, "deacon", TOKENIZER, val_split=0)
    supervised = made.train.report.supervised + made.val.report.supervised
    assert supervised == alone.train.report.supervised
    assert made.dropped == {"copied": 20 * 3}


def test_copied_answers_are_learnt_in_every_session_where_that_is_set() -> None:
    first = recorded(SESSION, id="e1", session_id="s1")
    fork = first.model_copy(update={"id": "e2", "session_id": "s2"})
    options = DatasetOptions(select=SelectConfig(copied="every"))

    made = make_datasets([first, fork], "deacon", TOKENIZER, options=options, val_split=0)

    assert (len(made.train.entries), made.dropped) == (2, {})
