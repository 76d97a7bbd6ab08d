# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import shutil
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from collected_town import SCRUBBER
from harness_fixtures import FIXTURES

from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.quality.copied_answers import copied_answers
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall, Source
from node0.finetune.corpus.store import CorpusStore

CLAUDE_CODE = FIXTURES.parent / "claude_code"


def session(
    name: str, *answers: tuple[str, str], named: bool = True, source: Source = "claude-code", **more: Any
) -> CorpusEntry:
    """An entry: each answer by its words and its hour; its name follows from both, its ids do not."""
    messages: list[dict[str, Any]] = []
    requests = []
    for number, (words, hour) in enumerate(answers):
        tied = {"tool_use_id": f"{name}-{number}"}
        asked = {"type": "tool_result", "content": f"seen {number}", **tied}
        call = {"type": "tool_use", "id": f"{name}-{number}", "name": "Bash", "input": {"command": words}}
        messages += [{"role": "user", "content": [asked]}, {"role": "assistant", "content": [call]}]
        told = hashlib.sha256(f"{words} {hour}".encode()).hexdigest()[:16] if named else ""
        at = f"2026-01-05T{hour}:00:00+00:00" if named else ""
        requests.append(RecordedCall(n_messages=2 * number + 1, system="s", tools="t", answer=told, at=at))
    facts = {"role": "deacon", "rig": "hq", "task_type": "patrol", "outcome": "success", **more}
    created = f"2026-01-05T{answers[0][1]}:00:00Z"
    made = CorpusEntry(
        id=name, created_at=created, source=source, session_id=name, messages=messages, **facts
    )
    return made.model_copy(update={"requests": requests})


SHARED = [("look", "06"), ("mend", "07")]
ORIGINAL = session("z-original", *SHARED, ("close", "08"))
FORK = session("a-fork", *SHARED, ("reopen", "09"))


@pytest.mark.parametrize("entries", list(permutations([ORIGINAL, FORK])))
def test_a_fork_keeps_what_it_says_itself_and_the_earlier_session_the_rest(
    entries: Sequence[CorpusEntry],
) -> None:
    assert copied_answers(entries) == {"a-fork": {1, 3}}


def test_a_session_that_was_resumed_under_another_name_is_the_earlier_one() -> None:
    """It never went on by itself."""
    assert copied_answers([session("z", *SHARED), session("a", *SHARED, ("more", "09"))]) == {"a": {1, 3}}


def test_a_fork_of_a_fork_is_learnt_from_where_it_goes_its_own_way() -> None:
    second = session("0-second", *SHARED, ("reopen", "09"), ("undo", "10"))
    third = session("1-third", *SHARED, ("reopen", "09"), ("ask", "11"))

    assert copied_answers([third, second, ORIGINAL]) == {"0-second": {1, 3}, "1-third": {1, 3, 5}}


@pytest.mark.parametrize("source", ["codex", "opencode", "claude-code"])
def test_without_names_an_answer_is_known_by_all_that_was_before_it(source: Source) -> None:
    plain = {"named": False, "source": source}
    first, second = session("a", *SHARED, **plain), session("b", *SHARED, ("other", "09"), **plain)
    elsewhere = session("c", ("look", "06"), ("rest", "07"), ("mend", "08"), **plain)

    assert copied_answers([first, second]) == {"b": {1, 3}}
    assert copied_answers([first, elsewhere]) == {"c": {1}}


def test_an_entry_of_before_answers_had_names_is_known_again_in_one_that_has_them() -> None:
    old = session("old", *SHARED, named=False)

    assert copied_answers([FORK, old]) == {"a-fork": {1, 3}}


def test_the_same_words_at_another_time_are_another_answer() -> None:
    again = session("again", ("look", "10"), ("mend", "11"))

    assert copied_answers([ORIGINAL, again]) == {}


@pytest.mark.parametrize("source", ["curated", "tmux", "import"])
def test_what_no_harness_recorded_was_not_copied_by_one(source: Source) -> None:
    entries = [session(name, *SHARED, named=False, source=source) for name in ("a", "b")]

    assert copied_answers(entries) == {}


def test_a_call_of_a_damaged_entry_that_names_no_message_is_passed_over() -> None:
    call = RecordedCall(n_messages=99, system="s", tools="t")
    broken = ORIGINAL.model_copy(update={"requests": [*ORIGINAL.requests, call]})

    assert copied_answers([broken]) == {}


def collected(place: Path, source: Sequence[Path]) -> list[CorpusEntry]:
    store = CorpusStore(place / "corpus")
    for path in source:
        CorpusCollector(store, SCRUBBER, min_tokens=0).collect_transcript(path, "crew")
    return sorted(store.entries(), key=lambda entry: len(entry.requests), reverse=True)


def test_a_fork_that_claude_code_wrote_is_learnt_once(tmp_path: Path) -> None:
    """`--fork-session` copies the lines of the session before into a new file."""
    paths = [
        Path(shutil.copy(CLAUDE_CODE / f"forked.{number}.jsonl", tmp_path / f"{number}.jsonl"))
        for number in (0, 1)
    ]

    entries = collected(tmp_path, paths)

    copied = copied_answers(entries)
    every = [call.answer for entry in entries for call in entry.requests]
    learnt = [
        call.answer
        for entry in entries
        for call in entry.requests
        if call.n_messages not in copied.get(entry.id, ())
    ]
    assert (len(every), len(set(every))) == (5, 3)
    assert sorted(learnt) == sorted(set(every))
    assert len({entry.session_id for entry in entries if entry.id in copied}) == 1


def test_a_fork_that_codex_wrote_is_learnt_once(tmp_path: Path) -> None:
    """A forked rollout has its own id, the items of the one before under new times, and its own answers."""
    lines = [
        json.loads(line) for line in (FIXTURES / "codex" / "works.jsonl").read_text("utf-8").splitlines()
    ]
    head = next(line["payload"] for line in lines if line["type"] == "session_meta")
    head |= {"forked_from_id": head["id"], "id": "0199aaaa-0000-7000-8000-00000000000f"}
    forked = [{**line, "timestamp": "2026-12-01T00:00:00.000Z"} for line in lines]
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}]}
    said = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "I went on by myself."}],
    }
    own = [
        {"timestamp": "2026-12-01T00:00:05.000Z", "type": "response_item", "payload": item}
        for item in (asked, said)
    ]
    ended = {"timestamp": "2026-12-01T00:00:06.000Z", "type": "token_usage_record", "payload": {}}
    first, second = tmp_path / "rollout-a.jsonl", tmp_path / "rollout-b.jsonl"
    shutil.copy(FIXTURES / "codex" / "works.jsonl", first)
    second.write_text("".join(json.dumps(line) + "\n" for line in [*forked, *own, ended]), encoding="utf-8")

    fork, original = collected(tmp_path, [second, first])

    assert len(fork.requests) == len(original.requests) + 1
    copied = copied_answers([fork, original])
    assert copied == {fork.id: {call.n_messages for call in original.requests}}
