# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.finetune.corpus.collect.look_again import look_again
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town_scrubber import town_scrubber
from node0.town import Town

VALUE = "gull-harbor-17"


def entry(name: str, words: str) -> CorpusEntry:
    return CorpusEntry(
        id=name, role="mayor", rig="hq", task_type="x", outcome="x", created_at="2026-01-05T06:00:00Z",
        messages=[{"role": "user", "content": words}],
    )  # fmt: skip


def add(town: Town, name: str, words: str) -> int:
    """Store an entry as a command does; how many others changed."""
    scrubber, store = town_scrubber(town), CorpusStore(town)
    store.add(scrubber.scrub_entry(entry(name, words)).entry)
    return look_again(store, scrubber)


def test_what_one_entry_calls_a_password_goes_out_of_those_before_and_after(tmp_path: Path) -> None:
    town, store = Town(tmp_path), CorpusStore(tmp_path / ".corpus")
    assert add(town, "before", f"I typed {VALUE} and it worked") == 0
    assert VALUE in str(store.get("before").messages)

    changed = add(town, "named", f"password: {VALUE}")
    add(town, "after", f"I typed {VALUE} again")

    assert changed == 1
    assert [one.id for one in store.entries() if VALUE in str(one.messages)] == []


def test_what_a_second_look_tells_is_looked_for_in_the_entries_before_it(tmp_path: Path) -> None:
    town, store = Town(tmp_path), CorpusStore(tmp_path / ".corpus")
    other = "quay-heron-1818"
    store.add(entry("a", f"I typed {other} and it worked"))
    store.add(entry("b", f"I typed {VALUE}; password: {other}"))

    assert add(town, "c", f"password: {VALUE}") == 2

    assert [
        one.id for one in store.entries() if other in str(one.messages) or VALUE in str(one.messages)
    ] == []


def test_a_secret_that_is_new_on_the_machine_goes_out_of_what_is_stored(tmp_path: Path) -> None:
    town, store = Town(tmp_path), CorpusStore(tmp_path / ".corpus")
    add(town, "before", f"I typed {VALUE} and it worked")
    (tmp_path / ".env").write_text(f"DB_PASSWORD={VALUE}\n")

    assert look_again(store, town_scrubber(town)) == 1
    assert look_again(store, town_scrubber(town)) == 0
    assert VALUE not in str(store.get("before").messages)


def test_a_scrubber_that_knows_nothing_changes_nothing(tmp_path: Path) -> None:
    assert look_again(CorpusStore(tmp_path), CorpusScrubber()) == 0
