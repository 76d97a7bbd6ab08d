# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.finetune.corpus.exchange.interchange import entry_fields, export_lines
from node0.finetune.corpus.exchange.interchange_turns import Format
from node0.finetune.corpus.schema import CorpusEntry

TOOL = {"name": "Bash", "description": "Run it.", "input_schema": {"type": "object", "properties": {}}}
FACTS = {"rig": "demo", "task_type": "bead_work", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
USER = {"role": "user", "content": "Which town?"}
PARALLEL = [
    USER,
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": "gt status"}},
            {"type": "tool_use", "id": "call_2", "name": "Bash", "input": {"n": [1, None], "ü": "ß"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "fine"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": ""},
            {"type": "text", "text": "And then?"},
        ],
    },
    {"role": "assistant", "content": "Hearth.\n"},
]

WORDS = st.text(max_size=8)
SAID = st.text(min_size=1, max_size=8)
"The store takes no answer without words or calls."

ANSWERS = st.lists(
    st.one_of(
        st.builds(lambda words: {"type": "text", "text": words}, SAID),
        st.builds(
            lambda name, given: {"type": "tool_use", "id": name, "name": "Bash", "input": given},
            st.sampled_from("abc"),
            st.dictionaries(WORDS, st.one_of(WORDS, st.none(), st.integers(), st.lists(WORDS)), max_size=2),
        ),
    ),
    min_size=1,
    max_size=3,
)
RESULTS = st.builds(
    lambda name, told: {"type": "tool_result", "tool_use_id": name, "content": told},
    st.sampled_from("abc"),
    st.one_of(WORDS, st.lists(st.builds(lambda words: {"type": "text", "text": words}, WORDS), max_size=2)),
)
TURNS = st.lists(
    st.one_of(
        st.builds(lambda content: {"role": "assistant", "content": content}, st.one_of(SAID, ANSWERS)),
        st.builds(
            lambda results, words: {"role": "user", "content": [*results, {"type": "text", "text": words}]},
            st.lists(RESULTS, max_size=2),
            WORDS,
        ),
        st.builds(
            lambda role, words: {"role": role, "content": words}, st.sampled_from(["user", "system"]), WORDS
        ),
    ),
    min_size=1,
    max_size=6,
)
DEEP = '{"a": ' * 100_000 + "1" + "}" * 100_000


def an_entry(**changes: Any) -> CorpusEntry:
    return CorpusEntry.model_validate(
        {"id": "a1", "role": "polecat", **FACTS, "messages": PARALLEL, **changes}
    )


def recorded(*, trained: tuple[int, ...] = (1, 3), **changes: Any) -> CorpusEntry:
    calls = [{"n_messages": number, "system": "s", "tools": "t"} for number in trained]
    return an_entry(systems={"s": "You work."}, toolsets={"t": [TOOL]}, requests=calls, **changes)


def exported(entry: CorpusEntry, form: Format, **options: bool) -> Any:
    (line,) = export_lines([entry], form, Counter(), **options)
    return json.loads(json.dumps(line))


def imported(line: Any) -> CorpusEntry:
    return CorpusEntry.model_validate({"id": "b1", "role": "polecat", **FACTS, **entry_fields(line)})


@pytest.mark.parametrize("form", Format)
def test_a_conversation_with_parallel_calls_comes_back(form: Format) -> None:
    line = exported(recorded(), form)

    entry = imported(line)

    assert entry.messages == PARALLEL
    assert list(entry.systems.values()) == ["You work."]
    assert list(entry.toolsets.values()) == [[TOOL]]
    assert [call.n_messages for call in entry.requests] == [1, 3]
    assert entry.source == "import"
    assert exported(entry, form) == line


@given(turns=TURNS, form=st.sampled_from(list(Format)), system=WORDS)
@settings(max_examples=100, deadline=None)
def test_whatever_was_said_an_import_exports_the_same_again(
    turns: list[dict[str, Any]], form: Format, system: str
) -> None:
    answers = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    calls = [{"n_messages": number, "system": "s", "tools": "t"} for number in answers]
    line = exported(an_entry(messages=turns, systems={"s": system}, toolsets={"t": []}, requests=calls), form)

    assert exported(imported(line), form) == line


def test_openai_takes_arguments_as_text_and_trl_as_objects() -> None:
    openai, trl = exported(recorded(), Format.OPENAI), exported(recorded(), Format.TRL)

    assert [turn["role"] for turn in trl["messages"]] == [
        *("system", "user", "assistant", "tool", "tool", "user", "assistant")
    ]
    call = {"command": "gt status"}
    assert json.loads(openai["messages"][2]["tool_calls"][0]["function"]["arguments"]) == call
    assert trl["messages"][2]["tool_calls"][0]["function"]["arguments"] == call
    assert trl["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "fine"}
    parameters = {"name": "Bash", "description": "Run it.", "parameters": TOOL["input_schema"]}
    assert trl["tools"] == [{"type": "function", "function": parameters}]


def test_an_answer_that_another_entry_trains_on_has_no_weight_and_stays_so() -> None:
    line = exported(recorded(trained=(3,)), Format.OPENAI)

    assert [turn.get("weight") for turn in line["messages"] if turn["role"] == "assistant"] == [0, None]
    assert [call.n_messages for call in imported(line).requests] == [3]


def copied_once(form: Format, copied: set[int], *, trained: tuple[int, ...] = (1, 3)) -> Any:
    skipped: Counter[str] = Counter()
    lines = list(export_lines([recorded(trained=trained)], form, skipped, copied={"a1": frozenset(copied)}))
    return json.loads(json.dumps(lines[0])) if lines else list(skipped)


def test_a_copied_answer_is_context_in_each_format_that_can_say_so() -> None:
    openai, trl = copied_once(Format.OPENAI, {1}), copied_once(Format.TRL, {1})

    assert [turn.get("weight") for turn in openai["messages"] if turn["role"] == "assistant"] == [0, None]
    assert [turn["role"] for turn in trl["prompt"]][-1] == "user"
    assert trl["completion"] == [{"role": "assistant", "content": "Hearth.\n"}]
    for line in (openai, trl):
        assert [call.n_messages for call in imported(line).requests] == [3]
        assert imported(line).messages == PARALLEL


@pytest.mark.parametrize("form", list(Format))
def test_an_entry_of_copied_answers_only_is_left_out(form: Format) -> None:
    assert copied_once(form, {1, 3}) == ["every answer is learnt in another entry"]


@pytest.mark.parametrize(("form", "copied"), [(Format.SHAREGPT, {1}), (Format.TRL, {3})])
def test_a_format_that_cannot_mark_a_copied_answer_does_not_teach_it_twice(
    form: Format, copied: set[int]
) -> None:
    assert copied_once(form, copied) == [
        "some answers are learnt in another entry, and the format cannot say which"
    ]


def test_prompt_and_completion_in_words_are_read() -> None:
    entry = imported({"prompt": "Which town?", "completion": "Hearth."})

    assert [turn["content"] for turn in entry.messages] == ["Which town?", "Hearth."]


@pytest.mark.parametrize("form", [Format.OPENAI, Format.TRL])
def test_a_pair_has_an_explicit_prompt_however_it_was_stored(form: Format) -> None:
    good, bad = ({"role": "assistant", "content": word} for word in ("Hearth.", "No idea."))
    whole = an_entry(messages=[], chosen=[USER, good], rejected=[USER, bad])
    parted = an_entry(messages=[USER], chosen=[good], rejected=[bad])

    line = exported(whole, form)

    assert exported(parted, form) == line
    entry = imported(line)
    assert (entry.messages, entry.chosen, entry.rejected) == ([USER], [good], [bad])
    if form is Format.TRL:
        assert line == {"prompt": [USER], "chosen": [good], "rejected": [bad]}


def test_what_cannot_leave_is_counted() -> None:
    pair = an_entry(messages=[], chosen=[USER, PARALLEL[3]], rejected=[USER, PARALLEL[1]])
    skipped: Counter[str] = Counter()

    lines = list(export_lines([pair, an_entry(quarantined=True)], Format.SHAREGPT, skipped))

    assert lines == []
    assert skipped == {"pair that the format cannot hold": 1, "quarantined": 1}


def test_facts_travel_where_asked_for() -> None:
    assert "node0" not in exported(an_entry(), Format.TRL)

    entry = imported(exported(an_entry(bead_id="gt-abc12", quality=0.5), Format.TRL, facts=True))

    assert (entry.id, entry.bead_id, entry.quality, entry.outcome) == ("a1", "gt-abc12", 0.5, "success")


def test_a_document_stays_a_system_turn_and_alpaca_is_read() -> None:
    document = an_entry(messages=[{"role": "system", "content": "Rules."}])
    assert imported(exported(document, Format.TRL)).messages == document.messages

    alpaca = imported({"instruction": "Add.", "input": "1 1", "output": "2"})

    assert [turn["content"] for turn in alpaca.messages] == ["Add.\n\n1 1", "2"]


@pytest.mark.parametrize(
    "line",
    [
        [],
        {},
        {"messages": [{"role": "poet", "content": "x"}]},
        {"messages": "x"},
        {"messages": [{"role": "user"}]},
        {"conversations": [{"from": "nobody", "value": ""}]},
        {"conversations": [{"from": "function_call", "value": "{"}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": "[1]"}}]}
            ]
        },
        {"chosen": []},
        {"messages": [{"role": "assistant", "content": "x", "weight": 0}]},
    ],
)
def test_a_line_that_cannot_be_read_is_a_value_error(line: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        entry_fields(line)


@pytest.mark.parametrize(
    "line",
    [
        {"conversations": [{"from": "function_call", "value": DEEP}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": DEEP}}]}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": DEEP},
    ],
)
def test_json_that_nests_without_end_inside_a_lines_text_is_a_value_error(line: Any) -> None:
    with pytest.raises(ValueError, match="nests more than"):
        entry_fields(line)
