# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall, estimated_tokens

FACTS = {
    "role": "polecat",
    "rig": "r",
    "task_type": "t",
    "outcome": "o",
    "created_at": "2026-01-05T06:17:00Z",
}
TURNS = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "gone"}]


def entry(**changes: object) -> CorpusEntry:
    return CorpusEntry.model_validate({"id": "a", **FACTS, "messages": TURNS, **changes})


def test_a_digest_is_of_what_a_model_could_learn_from_and_of_nothing_else() -> None:
    same = [
        entry(id="b"),
        entry(rig="other"),
        entry(quality=0.5),
        entry(created_at="2020"),
        entry(bead_id="gt-1"),
    ]
    other = [
        entry(messages=TURNS[:1]),
        entry(systems={"s": "You work."}),
        entry(tools=[{"name": "Bash"}]),
        entry(chosen=TURNS[1:], rejected=[]),
    ]

    assert {one.digest() for one in same} == {entry().digest()}
    assert len({one.digest() for one in [entry(), *other]}) == 5


def test_a_digest_does_not_depend_on_the_order_of_names() -> None:
    turned = [dict(reversed(turn.items())) for turn in TURNS]

    assert entry(messages=turned).digest() == entry().digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../a"},
        {"id": ""},
        {"role": "Polecat"},
        {"quality": 1.5},
        {"source": "dream"},
        {"colour": "red"},
    ],
)
def test_an_entry_with_a_wrong_field_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        entry(**changes)


def test_tokens_are_a_quarter_of_every_string_in_the_turns() -> None:
    call = {"type": "tool_use", "input": {"command": "x" * 32}}

    assert estimated_tokens([{"content": "y" * 40}]) == 10
    assert estimated_tokens([{"content": [call]}]) == (32 + len("tool_use")) // 4
    assert estimated_tokens([]) == 0


def test_tokens_are_estimated_over_all_words() -> None:
    assert (
        estimated_tokens([{"role": "user", "content": "x" * 40}, {"content": [{"input": {"a": "y" * 40}}]}])
        == 20
    )


def test_an_entry_with_recorded_calls_reads_back_and_has_another_digest() -> None:
    recorded = entry(requests=[RecordedCall(n_messages=0, system="s", tools="t", exact=True)])

    assert CorpusEntry.model_validate_json(recorded.model_dump_json()) == recorded
    assert recorded.digest() != entry().digest()


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_an_entry_that_nothing_could_write_again_is_none() -> None:
    def call(depth: int) -> list[dict[str, object]]:
        return [{"role": "assistant", "content": [{"type": "tool_use", "input": nested(depth)}]}]

    # The entry, its messages, a message, its content and a block stand around an input.
    kept = entry(messages=call(96))
    assert CorpusEntry.model_validate_json(kept.model_dump_json()) == kept
    for depth in (97, 300, 900):
        with pytest.raises(ValidationError, match="nested more than 100 deep"):
            entry(messages=call(depth))
        with pytest.raises(ValidationError, match="nested more than 100 deep"):
            entry(tools=[{"input_schema": nested(depth + 3)}])


def test_what_a_harness_calls_an_answer_changes_neither_digest_nor_files_without_it() -> None:
    call = RecordedCall(n_messages=0, system="s", tools="t", exact=True)
    named = call.model_copy(update={"answer": "0123456789abcdef", "at": "2026-01-05T06:00:00+00:00"})

    assert call.model_dump() == {"n_messages": 0, "system": "s", "tools": "t", "exact": True}
    assert named.model_dump().keys() - call.model_dump().keys() == {"answer", "at"}
    assert entry(requests=[call]).digest() == entry(requests=[named]).digest()
    assert RecordedCall.model_validate_json(named.model_dump_json()) == named
