# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import BadCorpus
from node0.finetune.corpus.collect.collection_report import CollectionReport
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.quality.review_queue import (
    DECISIONS,
    CurrentDecisions,
    ReviewQueue,
    read_decisions,
)
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore

UNCERTAIN = 'password: "dolphinswim"'


def an_entry(name: str, text: str = UNCERTAIN) -> CorpusEntry:
    return CorpusEntry(
        id=name, role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": f"see {text} there"}],
    )  # fmt: skip


class Place:
    """A store with two entries in quarantine."""

    def __init__(self, root: Path) -> None:
        self.store = CorpusStore(root)
        for name in ("one", "two"):
            self.collect(name)

    def scrubber(self) -> CorpusScrubber:
        return CorpusScrubber(voters=(), verdict=read_decisions(self.store.root).verdict)

    def queue(self) -> ReviewQueue:
        return ReviewQueue(self.store, self.scrubber())

    def collect(self, name: str) -> Added:
        return self.store.add(self.scrubber().scrub_entry(an_entry(name)).entry)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "corpus")


def test_the_queue_shows_each_value_with_what_stands_around_it(place: Place) -> None:
    one, two = place.queue().waiting()

    assert (one.entry_id, one.role, one.kind, one.value) == (
        "one",
        "polecat",
        "assigned-secret",
        "dolphinswim",
    )
    assert (one.place, one.before, one.after) == ("messages[0].content", 'see password: "', '" there')
    assert two.entry_id == "two"
    assert list(place.queue().waiting("mayor")) == []


def test_an_accepted_value_stays_and_is_not_asked_about_again(place: Place) -> None:
    place.queue().accept("one")

    assert not place.store.get("one").quarantined
    assert place.store.get("one").messages == an_entry("one").messages
    assert place.collect("one") is Added.UNCHANGED
    place.collect("two")
    assert not place.store.get("two").quarantined
    assert "dolphinswim" not in (place.store.root / DECISIONS).read_text()


def test_entries_with_the_same_values_are_settled_together(place: Place) -> None:
    place.store.add(an_entry("hand", "nothing").model_copy(update={"quarantined": True}))
    queue = place.queue()
    queue.redact("one")

    assert queue.settle() == ["two"]
    assert "dolphinswim" not in place.store.get("two").model_dump_json()
    assert [one.entry_id for one in place.queue().waiting()] == ["hand"]


def test_a_redacted_value_goes_and_goes_again(place: Place) -> None:
    place.queue().redact("one")

    assert place.store.get("one").messages[0]["content"] == 'see password: "[REDACTED:assigned-secret]" there'
    assert not place.store.get("one").quarantined
    assert place.collect("one") is Added.UNCHANGED
    place.collect("two")
    assert "dolphinswim" not in place.store.get("two").model_dump_json()


def test_a_dropped_entry_is_gone_and_stays_away(place: Place) -> None:
    place.queue().drop("one")

    assert [entry.id for entry in place.store.list()] == ["two"]
    assert place.collect("one") is Added.RETRACTED
    assert [entry.id for entry in place.store.list()] == ["two"]


def test_only_what_waits_can_be_decided(place: Place) -> None:
    place.queue().accept("one")

    for decide in (place.queue().accept, place.queue().redact, place.queue().drop):
        with pytest.raises(BadCorpus, match="not in quarantine"):
            decide("one")


def test_an_entry_that_was_put_there_by_hand_is_shown_too(place: Place) -> None:
    place.store.add(an_entry("hand", "nothing").model_copy(update={"quarantined": True}))

    assert [one.kind for one in place.queue().waiting() if one.entry_id == "hand"] == [""]
    place.queue().accept("hand")
    assert not place.store.get("hand").quarantined


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[" * 100_000,
        '{"key": "\\ud800", "accepted": [], "redacted": []}',
        '{"key": "aa", "accepted": "bb", "redacted": []}',
        '{"key": "aa", "accepted": [], "redacted": [[]]}',
    ],
)
def test_decisions_that_cannot_be_read_are_refused(place: Place, content: str) -> None:
    (place.store.root / DECISIONS).write_text(content)

    with pytest.raises(BadCorpus, match="restore it"):
        place.scrubber()


def test_a_decision_holds_for_a_collector_that_began_before_it(place: Place) -> None:
    collecting = CorpusScrubber(voters=(), verdict=CurrentDecisions(place.store.root).verdict)
    place.queue().redact("one")

    scrubbed = collecting.scrub_entry(an_entry("one")).entry

    assert not scrubbed.quarantined
    assert "dolphinswim" not in scrubbed.model_dump_json()


def test_a_decision_between_scrubbing_and_storing_is_not_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person decides just before the collector stores what it scrubbed earlier."""
    scrubber = CorpusScrubber(voters=(), verdict=CurrentDecisions(place.store.root).verdict)
    add, decided = place.store.add, []

    def add_late(entry: CorpusEntry) -> Added:
        if not decided:
            decided.append(entry.id)
            place.queue().redact("one")
        return add(entry)

    monkeypatch.setattr(place.store, "add", add_late)
    CorpusCollector(place.store, scrubber).store_scrubbed(an_entry("one"), CollectionReport())

    entry = place.store.get("one")
    assert not entry.quarantined
    assert "dolphinswim" not in entry.model_dump_json()


def test_a_masked_value_is_read_nowhere_around_another_one(place: Place) -> None:
    two = an_entry("three", f'{UNCERTAIN} and password: "otterclimb"')
    place.store.add(place.scrubber().scrub_entry(two).entry)
    shown = [one for one in place.queue().waiting(masked=True) if one.entry_id == "three"]

    assert [one.value for one in shown] == ["*" * 11, "*" * 10]
    assert not any(word in str(shown) for word in ("dolphin", "swim", "otter", "climb"))
