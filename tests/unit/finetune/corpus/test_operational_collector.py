# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from bead_rows import Row, bead, changed, closed, hooked

from node0.errors import NotFound
from node0.finetune.corpus.operational_collector import OperationalDataCollector
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of

SCRUBBER = CorpusScrubber()
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
TOAST = "demo/polecats/toast"
WORK = [
    bead("gt-a", title=f"Rotate {SECRET}", issue_type="bug", close_reason="Merged to main"),
    hooked("gt-a", 0, TOAST),
    changed("gt-a", 1, TOAST, "hooked", status="in_progress"),
    changed("gt-a", 2, TOAST, "in_progress", status="in_progress"),
    closed("gt-a", 75, "mayor", f"Merged to main, with {SECRET}"),
    bead("gt-b", "open"),
]


@pytest.fixture
def collector(tmp_path: Path) -> OperationalDataCollector:
    return OperationalDataCollector(CorpusStore(tmp_path / "corpus"), SCRUBBER)


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(beads_of(rows))


def test_a_lifecycle_is_a_conversation_of_status_changes(collector: OperationalDataCollector) -> None:
    (entry,) = collector.lifecycles(outcomes(*WORK))

    assert (entry.role, entry.rig, entry.task_type, entry.outcome) == (
        "polecat",
        "demo",
        "bead_lifecycle",
        "success",
    )
    assert (entry.bead_id, entry.source, entry.created_at) == (
        "gt-a",
        "operational",
        "2026-01-05T05:00:00+00:00",
    )
    assert entry.messages == [
        {"role": "system", "content": "Bead: Rotate [REDACTED:github-token]\nId: gt-a\nType: bug"},
        {
            "role": "assistant",
            "content": f"Status changed: open → hooked at 2026-01-05T06:00:00Z by mayor, assigned to {TOAST}",
        },
        {
            "role": "assistant",
            "content": f"Status changed: hooked → in_progress at 2026-01-05T06:01:00Z by {TOAST}",
        },
        {
            "role": "assistant",
            "content": "Status changed: in_progress → closed at 2026-01-05T07:15:00Z by mayor: "
            "Merged to main, with [REDACTED:github-token]",
        },
    ]
    assert collector.skipped == {"bead without a status change": 1}


def test_a_sling_tells_how_long_it_took_and_how_it_ended(collector: OperationalDataCollector) -> None:
    (entry,) = collector.sling_outcomes(outcomes(*WORK))

    assert (entry.task_type, entry.outcome, entry.role) == ("sling_outcome", "success", "polecat")
    assert entry.messages[1]["content"] == f"Slung to {TOAST} (polecat) at 2026-01-05T06:00:00Z by mayor."
    assert entry.messages[2]["content"] == (
        "Outcome: success after 1 h 15 min (the reason says what was done).\n"
        "Reason: Merged to main, with [REDACTED:github-token]"
    )


def test_a_failed_sling_names_the_error(collector: OperationalDataCollector) -> None:
    rows = [*WORK[:3], changed("gt-a", 9, "mayor", "in_progress", status="open", assignee="")]

    (entry,) = collector.sling_outcomes(outcomes(*rows))

    assert (entry.outcome, entry.messages[2]["content"]) == (
        "failure",
        "Outcome: failure after 9 min (taken back).\nError: taken back.",
    )


def test_a_sling_that_goes_on_is_counted_and_left_out(collector: OperationalDataCollector) -> None:
    assert collector.sling_outcomes(outcomes(*WORK[:3])) == []
    assert collector.skipped == {"sling that has not ended": 1}


def test_collecting_again_adds_nothing_and_a_change_updates(collector: OperationalDataCollector) -> None:
    collector.lifecycles(outcomes(*WORK[:3]))
    collector.lifecycles(outcomes(*WORK[:3]))
    assert collector.did == {"new": 1, "unchanged": 1}

    collector.lifecycles(outcomes(*WORK))

    assert collector.did == {"new": 1, "unchanged": 1, "updated": 1}


def test_what_another_role_worked_on_can_be_left_out(collector: OperationalDataCollector) -> None:
    found = outcomes(
        *WORK, bead("gt-c"), hooked("gt-c", 0, "demo/crew/ann"), closed("gt-c", 3, "demo/crew/ann")
    )

    assert [entry.bead_id for entry in collector.lifecycles(found, role="crew")] == ["gt-c"]
    assert [entry.bead_id for entry in collector.sling_outcomes(found, role="crew")] == ["gt-c"]


def test_a_convoy_tells_what_became_of_the_beads_that_it_leads(collector: OperationalDataCollector) -> None:
    def leads(name: str) -> Row:
        return "", "dependencies", {"issue_id": "hq-cv-1", "type": "tracks", "depends_on_id": name}

    rows = [
        bead("hq-cv-1", "open", title="Release", issue_type="convoy"),
        leads("gt-b"),
        leads("gt-a"),
        leads("x-9"),
    ]

    (entry,) = collector.convoys(outcomes(*WORK, *rows, bead("hq-cv-2", issue_type="convoy")))

    assert (entry.role, entry.task_type, entry.outcome) == ("all", "convoy_log", "open")
    assert entry.messages[1]["content"].splitlines() == [
        "Tracked beads:",
        "gt-a: success: Rotate [REDACTED:github-token]",
        "gt-b: open: Mend gt-b",
        "x-9: not here",
    ]


def test_log_lines_are_put_together_by_convoy(collector: OperationalDataCollector, tmp_path: Path) -> None:
    (tmp_path / "town.log").write_bytes(
        b"2026-01-05 06:00:00 [convoy] mayor created hq-cv-abc12\n"
        b"2026-01-05 06:01:00 [nudge] deacon\n"
        b"\xff\xfe torn hq-cv-zz9\n"
        b"2026-01-05 06:09:00 [convoy] mayor landed hq-cv-abc12\n"
    )
    (tmp_path / "notes.txt").write_text("hq-cv-other\n")

    found = collector.collect_convoy_logs(tmp_path)

    first = next(entry for entry in found if entry.bead_id == "hq-cv-abc12")
    assert {entry.bead_id for entry in found} == {"hq-cv-abc12", "hq-cv-zz9"}
    assert first.created_at == "2026-01-05T06:00:00+00:00"
    assert len(first.messages[1]["content"].splitlines()) == 2
    with pytest.raises(NotFound, match="nowhere"):
        collector.collect_convoy_logs(tmp_path / "nowhere")


def test_a_retracted_entry_does_not_come_back(collector: OperationalDataCollector, tmp_path: Path) -> None:
    (entry,) = collector.lifecycles(outcomes(*WORK))
    store = CorpusStore(tmp_path / "corpus")
    store.retracted().add([entry], reason="x", deleted=True)
    store.delete(entry.id)

    assert collector.lifecycles(outcomes(*WORK)) == []
    assert collector.did["retracted"] == 1
