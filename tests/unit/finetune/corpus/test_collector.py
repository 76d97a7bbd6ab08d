# SPDX-License-Identifier: Apache-2.0
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bead_rows import Row, bead, closed, hooked
from collected_town import SCRUBBER, SECRET, Place

from node0.errors import NotFound
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of

Make = Callable[..., Any]


def test_the_sessions_that_events_name_are_collected_and_scrubbed(place: Place) -> None:
    place.begin("s1", "deacon")
    place.begin("s2", "demo/polecats/toast", topic="assigned:gt-a")
    place.event("done", "demo/polecats/toast", at="2026-01-05T06:30:00Z", bead="gt-a")
    place.event("session_start", "deacon", session_id="gone", role="deacon")

    report = place.collect()

    facts = {
        (entry.role, entry.rig, entry.bead_id, entry.outcome, entry.task_type)
        for entry in place.store.entries()
    }
    assert facts == {
        ("deacon", "hq", None, "success", "patrol"),
        ("polecat", "demo", "gt-a", "success", "bead_work"),
    }
    assert (report.sessions, report.exact_calls, report.entries["new"]) == (2, 4, 2)
    assert report.redacted == {"github-token": 2, "user": 2}
    assert report.skipped["session without a transcript"] == 1
    assert SECRET not in "".join(path.read_text() for path in place.store.root.rglob("*.json"))


def test_collecting_twice_adds_nothing(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    before = {path: path.stat().st_mtime_ns for path in place.store.root.glob("*/*.json")}

    report = place.collect()

    assert not report.entries
    assert report.skipped["session that has not changed"] == 1
    assert {path: path.stat().st_mtime_ns for path in place.store.root.glob("*/*.json")} == before


@pytest.mark.parametrize("harm", ["gone", "empty", "torn", "cut in its second line", "no text"])
def test_an_entry_that_is_missing_or_cannot_be_read_is_made_again(place: Place, harm: str) -> None:
    place.begin("s1", "deacon")
    place.collect()
    (path,) = place.store.root.glob("*/*.json")
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        cut = {
            "empty": b"",
            "torn": whole[:40],
            "cut in its second line": whole[:-30],
            "no text": b"\xff\xfe" * 99,
        }
        path.write_bytes(cut[harm])

    place.collect()

    assert path.read_bytes() == whole
    assert place.collect().skipped["session that has not changed"] == 1


def test_a_session_that_has_not_changed_is_collected_again_where_that_is_asked_for(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()

    report = place.collect(again=True)

    assert (report.entries, report.skipped["session that has not changed"]) == ({"unchanged": 1}, 0)


def test_a_deleted_entry_that_was_retracted_is_not_made_again(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    place.store.retract(place.store.list(), delete=True)

    place.collect()

    assert place.store.list() == []
    assert place.collect().skipped["session that has not changed"] == 1


def test_a_lost_memory_changes_no_entry(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    (place.store.root / ".collector.json").write_text("{")

    assert place.collect().entries == {"unchanged": 1}


def test_a_transcript_that_has_grown_updates_its_entry(place: Place, blocks: dict[str, Make]) -> None:
    session = place.begin("s1", "deacon")
    place.collect()
    session.prompt("And again.")
    session.answer(blocks["text"]("Again well."))
    place.write("s1")

    report = place.collect()

    assert report.entries == {"updated": 1}
    (entry,) = place.store.list()
    assert len(entry.requests) == 3


def test_an_outcome_that_becomes_known_updates_the_entry(place: Place) -> None:
    place.begin("s1", "demo/polecats/toast", topic="assigned:gt-a")
    place.collect()
    assert [entry.outcome for entry in place.store.entries()] == ["unknown"]
    place.event("done", "demo/polecats/toast", at="2026-01-05T06:30:00Z", bead="gt-a")

    report = place.collect()

    assert report.entries == {"updated": 1}
    assert [entry.outcome for entry in place.store.entries()] == ["success"]


def test_new_scrub_rules_collect_again(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()

    report = CorpusCollector(place.store, CorpusScrubber(["agent"])).collect_town(place.town)

    assert report.entries == {"updated": 1}
    assert "[REDACTED:deny-list]" in place.store.list()[0].model_dump_json()


def test_a_session_outlives_its_event(place: Place, blocks: dict[str, Make]) -> None:
    """gt drops old events; the transcript may still grow."""
    session = place.begin("s1", "deacon")
    place.collect()
    place.town.events_file.unlink()
    session.prompt("More.")
    session.answer(blocks["text"]("More well."))
    place.write("s1")

    assert place.collect().entries == {"updated": 1}


def test_a_session_keeps_its_bead_when_the_sling_is_dropped(place: Place) -> None:
    """gt rewrites its file and drops events at different ages."""
    place.event("sling", "mayor", bead="gt-a", target="demo/polecats/toast")
    place.begin("s1", "demo/polecats/toast")
    place.collect()
    lines = place.town.events_file.read_text().splitlines(keepends=True)
    place.town.events_file.write_text("".join(line for line in lines if "sling" not in line))

    report = place.collect()

    assert [entry.bead_id for entry in place.store.entries()] == ["gt-a"]
    assert report.skipped["session that has not changed"] == 1


def test_a_bead_that_becomes_known_later_leaves_no_second_entry(place: Place) -> None:
    place.begin("s1", "demo/polecats/toast")
    place.collect()
    before = [entry.bead_id for entry in place.store.entries()]
    place.event("hook", "demo/polecats/toast", at="2026-01-05T06:00:01Z", bead="gt-a")

    report = place.collect()

    assert (before, [entry.bead_id for entry in place.store.entries()]) == ([None], ["gt-a"])
    assert report.entries == {"new": 1, "removed": 1}


def test_a_session_whose_file_has_shrunk_keeps_its_entries(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    whole = place.path("s1").read_bytes()
    place.path("s1").write_bytes(whole[: len(whole) // 8])

    report = place.collect()

    assert len(place.store.list()) == 1
    assert report.skipped["session whose files have shrunk: older entries kept"] == 1


def test_a_higher_minimum_removes_nothing(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    os.utime(place.path("s1"), (0, 0))

    CorpusCollector(place.store, SCRUBBER, min_tokens=10_000).collect_town(place.town)

    assert len(place.store.list()) == 1


def test_a_beads_ending_and_quality_become_its_sessions(place: Place) -> None:
    toast = "demo/polecats/toast"
    place.begin("s1", toast, topic="assigned:gt-a")
    place.event("done", toast, at="2026-01-05T06:30:00Z", bead="gt-a")
    rows = [bead("gt-a"), hooked("gt-a", 0, toast), closed("gt-a", 40, "mayor", "Reverted: broke main")]
    label = ("", "interactions", {"id": "i", "issue_id": "gt-a", "label": "bad"})
    beads = Outcomes(beads_of([*rows, label]))

    CorpusCollector(place.store, SCRUBBER, beads=beads).collect_town(place.town)

    (entry,) = place.store.list()
    assert (entry.outcome, entry.quality) == ("failure", 0.0)


def walked(name: str, reason: str) -> list[Row]:
    """A patrol that the deacon took up and closed, as rows of wisps."""
    rows = [bead(name), hooked(name, 0, "deacon", "deacon"), closed(name, 30, "deacon", reason)]
    return [(place, f"wisp{'s' if table == 'issues' else '_events'}", row) for place, table, row in rows]


def test_what_a_wisp_told_stays_when_gt_has_deleted_it(place: Place) -> None:
    """After a week; a town whose server does not answer knows it too."""
    place.begin("s1", "deacon")
    rows = walked("hq-wisp-a", "burned: replaced by new patrol cycle")
    good = ("", "interactions", {"id": "i", "issue_id": "hq-wisp-a", "label": "bad"})
    for beads in (Outcomes(beads_of([*rows, good])), Outcomes(beads_of([bead("gt-b")])), None):
        report = CorpusCollector(place.store, SCRUBBER, beads=beads).collect_town(place.town)

        (entry,) = place.store.entries()
        assert (entry.bead_id, entry.outcome, entry.quality) == ("hq-wisp-a", "abandoned", 0.0)

    assert report.skipped["session that has not changed"] == 1


def test_what_a_merge_request_decided_stays_when_gt_has_deleted_it(place: Place) -> None:
    worker = "demo/polecats/toast"
    place.begin("s1", worker, topic="assigned:gt-a")
    rows = [bead("gt-a", close_reason="Closed"), hooked("gt-a", 0, worker), closed("gt-a", 30, worker)]
    merge = "branch: b\nsource_issue: gt-a\nclose_reason: rejected"
    judged = bead("gt-mr", issue_type="merge-request", description=merge)
    for beads in (Outcomes(beads_of([*rows, judged])), Outcomes(beads_of(rows))):
        CorpusCollector(place.store, SCRUBBER, beads=beads).collect_town(place.town)

    (entry,) = place.store.entries()
    assert entry.outcome == "failure"


def test_a_bead_that_ended_otherwise_since_is_believed(place: Place) -> None:
    worker = "demo/polecats/toast"
    place.begin("s1", worker, topic="assigned:gt-a")
    rows = [bead("gt-a"), hooked("gt-a", 0, worker)]
    for reason in ("Failed: no build", "Merged"):
        beads = Outcomes(beads_of([*rows, closed("gt-a", 30, "mayor", reason)]))
        CorpusCollector(place.store, SCRUBBER, beads=beads).collect_town(place.town)

    (entry,) = place.store.entries()
    assert entry.outcome == "success"


@pytest.mark.parametrize(("given", "outcome"), [("", "failure"), ("success", "success")])
def test_a_transcript_by_path_gets_its_beads_outcome_unless_one_is_named(
    place: Place, given: str, outcome: str
) -> None:
    place.begin("s1", "deacon")
    beads = Outcomes(beads_of([bead("gt-a", close_reason="Failed: no build")]))
    collector = CorpusCollector(place.store, SCRUBBER, beads=beads)

    collector.collect_transcript(place.path("s1"), "crew", bead_id="gt-a", outcome=given)

    assert [entry.outcome for entry in place.store.entries()] == [outcome]


def test_events_that_no_file_can_hold_and_that_lead_astray_are_read(place: Place) -> None:
    for name in ("../../etc/passwd", "s\ud800"):
        place.event("session_start", "x\ud800/\0", session_id=name, role="deacon", topic="\udfff")
    (place.town.root / ".claude" / "projects" / "x" / "s2.jsonl").mkdir(parents=True)
    place.event("session_start", "deacon", session_id="s2")

    first, again = place.collect(), place.collect()

    assert first.skipped["session without a transcript"] == again.skipped["session without a transcript"] == 3


def test_a_session_that_cannot_be_read_does_not_stop_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.begin("s1", "deacon")
    place.begin("s2", "deacon")
    opened = Path.open

    def open_other(path: Path, *rest: Any, **more: Any) -> Any:
        if path.name == "s1.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest, **more)

    monkeypatch.setattr(Path, "open", open_other)
    report = place.collect()

    assert report.entries == {"new": 1}
    assert report.skipped["session whose files cannot be read"] == 1


def test_older_sessions_can_be_left_out(place: Place) -> None:
    place.begin("s1", "deacon")

    report = place.collect(since=datetime(2026, 2, 1, tzinfo=UTC))

    assert not report.entries
    assert report.skipped["session before --since"] == 1


def test_short_sessions_are_counted_and_left_out(place: Place) -> None:
    place.begin("s1", "deacon")

    report = CorpusCollector(place.store, SCRUBBER, min_tokens=10_000).collect_town(place.town)

    assert not place.store.list()
    assert report.skipped["entry under 10000 tokens"] == 1


def test_subagents_are_entries_of_their_session(place: Place, harness: Make, blocks: dict[str, Make]) -> None:
    place.begin("s1", "deacon")
    side = harness(session="s1", isSidechain=True, agentId="a7")
    side.prompt("Look into it. " * 40)
    side.answer(blocks["text"]("Looked."))
    side.write(place.path("s1").with_suffix("") / "subagents" / "agent-a7.jsonl")

    place.collect()

    found = {(entry.task_type, entry.session_id, len(entry.requests)) for entry in place.store.entries()}
    assert found == {("patrol", "s1", 2), ("subagent", "s1", 1)}


def test_a_broken_transcript_does_not_stop_the_others(place: Place) -> None:
    place.begin("s1", "deacon")
    place.begin("s2", "deacon")
    place.path("s1").write_bytes(b"\x00\xff" * 5000 + b"\n{")

    report = place.collect()

    assert report.entries == {"new": 1}
    assert report.skipped["not JSON"] == 1
    assert report.skipped["torn last line"] == 1


def test_one_transcript_can_be_collected_by_its_path(place: Place) -> None:
    place.begin("s1", "deacon")
    collector = CorpusCollector(place.store, SCRUBBER)

    report = collector.collect_transcript(
        place.path("s1"), "crew", rig="demo", bead_id="gt-a", outcome="failure"
    )

    (entry,) = place.store.list()
    assert (entry.role, entry.rig, entry.bead_id, entry.outcome) == ("crew", "demo", "gt-a", "failure")
    assert (entry.session_id, report.entries) == ("s1", {"new": 1})
    with pytest.raises(NotFound, match="nothing"):
        collector.collect_transcript(Path("nothing.jsonl"), "crew")


def test_the_towns_documents_are_collected_once(place: Place) -> None:
    root = place.town.root
    for name, text in {
        "CLAUDE.md": f"Use {SECRET}.",
        "docs/deep/gt.md": "# gt",
        "docs/empty.md": " \n",
        ".beads/formulas/patrol.formula.toml": 'formula = "patrol"',
        "directives/deacon.md": "Be brief.",
        "demo/CLAUDE.md": "# demo",
        "mayor/rigs.json": '{"rigs": {"demo": {}}}',
        "plans/p1/02-spec/spec.md": "# spec",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "AGENTS.md").symlink_to("CLAUDE.md")
    collector = CorpusCollector(place.store, SCRUBBER)

    report = collector.collect_documents(place.town)

    found = {(entry.role, entry.rig, entry.task_type) for entry in place.store.entries()}
    assert found == {
        ("all", "hq", "convention_doc"),
        ("all", "hq", "document"),
        ("all", "hq", "formula_definition"),
        ("deacon", "hq", "directive"),
        ("all", "demo", "convention_doc"),
        ("all", "hq", "spec_doc"),
    }
    assert {(entry.source, entry.outcome) for entry in place.store.entries()} == {("document", "collected")}
    assert (report.entries, report.skipped, report.redacted) == (
        {"new": 6},
        {"empty document": 1},
        {"github-token": 1},
    )
    assert collector.collect_documents(place.town).entries == {"unchanged": 6}
    os.utime(root / "docs/deep/gt.md", (0, 0))
    (root / "docs/deep/gt.md").write_text("# gt, changed")
    assert collector.collect_documents(place.town).entries == {"unchanged": 5, "updated": 1}
