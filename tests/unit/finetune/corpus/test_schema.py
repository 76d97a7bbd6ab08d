# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from pydantic import ValidationError

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall, estimated_tokens


def an_entry(**values: Any) -> CorpusEntry:
    given = {
        "id": "e1",
        "role": "mayor",
        "rig": "hq",
        "task_type": "coordination",
        "outcome": "success",
        "created_at": "2026-01-05T06:00:00+00:00",
        "messages": [{"role": "user", "content": "größer"}],
    }
    return CorpusEntry(**{**given, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"messages": [{"role": "user", "content": "other"}]},
        {"chosen": [{"role": "assistant", "content": "a"}]},
        {"systems": {"s": "Be brief."}},
        {"toolsets": {"t": [{"name": "Bash"}]}},
        {"requests": [RecordedCall(n_messages=1, system="s", tools="t")]},
        {"tools": [{"name": "Bash"}]},
    ],
)
def test_whatever_a_model_could_learn_from_changes_the_digest(values: dict[str, Any]) -> None:
    assert an_entry(**values).digest() != an_entry().digest()


def test_what_a_model_does_not_see_leaves_the_digest_alone() -> None:
    other = an_entry(id="e2", role="crew", outcome="failure", quality=0.5, quarantined=True, tokens=7)

    assert other.digest() == an_entry().digest()


@pytest.mark.parametrize(
    "values",
    [{"role": "Mayor"}, {"id": "../e1"}, {"id": ""}, {"quality": 1.5}, {"source": "x"}, {"novel": 1}],
)
def test_an_entry_that_no_reader_expects_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_entry(**values)


def test_an_entry_reads_back_from_its_json() -> None:
    entry = an_entry(requests=[RecordedCall(n_messages=0, system="s", tools="t", exact=True)])

    assert CorpusEntry.model_validate_json(entry.model_dump_json()) == entry


def test_tokens_are_estimated_over_all_words() -> None:
    assert (
        estimated_tokens([{"role": "user", "content": "x" * 40}, {"content": [{"input": {"a": "y" * 40}}]}])
        == 20
    )
