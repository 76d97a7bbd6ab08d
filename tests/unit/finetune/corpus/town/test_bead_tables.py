# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bead_rows import bead, changed, closed, event, hooked, label, write_backup
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import NotFound
from node0.finetune.corpus.town.bead_tables import WANTED, audit_rows, beads_of, read_backup

TOAST = "demo/polecats/toast"
SIX = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


def test_a_backup_directory_is_read_with_its_events_and_labels(tmp_path: Path) -> None:
    rows = [
        bead("gt-a"),
        hooked("gt-a", 0, "demo/polecats/toast"),
        closed("gt-a", 5, "demo/refinery", "Merged"),
    ]
    place = write_backup(tmp_path / "backup", [*rows, *label("gt-a", "zfc")])

    found = read_backup(place)

    one = found.beads["gt-a"]
    assert (one.title, one.labels, found.events) == ("Mend gt-a", {"zfc"}, 2)
    assert [(change.kind, change.status, change.assignee, change.reason) for change in one.changes] == [
        ("status_changed", "hooked", "demo/polecats/toast", ""),
        ("closed", "closed", None, "Merged"),
    ]


def test_a_directory_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no issues\.jsonl"):
        read_backup(tmp_path)


def test_torn_and_foreign_lines_of_a_backup_are_counted(tmp_path: Path) -> None:
    place = write_backup(tmp_path, [bead("gt-a"), closed("gt-b", 1, "mayor"), ("", "labels", {"label": "x"})])
    with (place / "issues.jsonl").open("ab") as file:
        file.write(b'[]\n7\n\xff\x00\n{"id": 7}\n{}\n\n{"id": "gt-c')

    found = read_backup(place)

    assert set(found.beads) == {"gt-a", "7"}
    assert found.skipped == {
        "line of issues.jsonl that cannot be read": 4,
        "bead without an id": 1,
        "change of a bead that is not there": 1,
        "labels of a bead that is not there": 1,
    }


def test_the_tables_of_short_lived_beads_count_as_the_others(tmp_path: Path) -> None:
    rows = [
        ("", f"wisp{'s' if table == 'issues' else '_' + table}", row)
        for _, table, row in [
            bead("gt-wisp-1"),
            closed("gt-wisp-1", 1, "mayor", "Done"),
            *label("gt-wisp-1", "x"),
        ]
    ]

    found = beads_of(rows)

    assert found.beads["gt-wisp-1"].changes[0].reason == "Done"
    assert found.beads["gt-wisp-1"].labels == {"x"}
    assert {table for _, table, _ in rows} <= WANTED.keys()


def test_lifecycles_of_one_second_are_chained_by_old_and_new_status() -> None:
    """bd 1.0 gives events whole seconds and ids at random, so rows come in any order."""
    whole = '{"id": "gt-a", "title": "Mend", "status": "%s"%s}'
    had = f', "assignee": "{TOAST}"'
    rows = [
        ("", "events", {**row, "created_at": "2026-01-05T06:00:00Z"})
        for _, _, row in [
            event("gt-a", 0, "mayor", "status_changed", whole % ("open", ""), status="hooked", assignee="x"),
            closed("gt-a", 0, "x"),
            event("gt-a", 0, "w", "status_changed", whole % ("hooked", had), status="open", assignee=""),
            event("gt-a", 0, "mayor", "created", ""),
            event(
                "gt-a", 0, "mayor", "status_changed", whole % ("open", ""), status="hooked", assignee=TOAST
            ),
        ]
    ]

    found = beads_of([bead("gt-a"), *rows]).beads["gt-a"]

    assert [(one.kind, one.status, one.assignee) for one in found.changes] == [
        ("created", "", None),
        ("status_changed", "hooked", TOAST),
        ("status_changed", "open", ""),
        ("status_changed", "hooked", "x"),
        ("closed", "closed", None),
    ]


def test_the_clock_of_events_is_read_off_closings_and_taken_out() -> None:
    """A server in another time zone stamps events with its own time and a Z."""
    late = [bead(name, closed_at="2026-01-05T14:05:01Z") for name in ("gt-a", "gt-b")]
    rows = [*late, *(closed(name, 5, "mayor") for name in ("gt-a", "gt-b"))]
    odd = [bead("gt-c", closed_at="2026-01-05T06:30:00Z"), closed("gt-c", 30, "mayor")]

    found = beads_of([*rows, *odd])

    assert found.clock == timedelta(hours=8)
    assert found.beads["gt-a"].changes[0].at == SIX + timedelta(hours=8, minutes=5)


def test_without_a_closing_no_time_is_changed() -> None:
    found = beads_of([bead("gt-a", "open"), hooked("gt-a", 0, "x")])

    assert (found.clock, found.beads["gt-a"].changes[0].at) == (timedelta(), SIX)


@pytest.mark.parametrize("column", ["depends_on_id", "depends_on_issue_id", "depends_on_wisp_id"])
def test_what_a_convoy_leads_is_found_under_every_versions_column(column: str) -> None:
    link = {"issue_id": "hq-cv-1", "type": "tracks", column: "gt-a"}
    other = {"issue_id": "hq-cv-1", "type": "blocks", column: "gt-b"}

    found = beads_of([bead("hq-cv-1"), ("", "dependencies", link), ("", "dependencies", other)])

    assert found.beads["hq-cv-1"].tracks == {"gt-a"}


def test_the_last_audit_label_of_a_beads_records_counts(tmp_path: Path) -> None:
    def record(name: str, minute: int, **more: str) -> tuple[str, str, dict[str, str]]:
        return "", "interactions", {"id": name, "created_at": f"2026-01-05T06:{minute:02d}:00Z", **more}

    rows = [
        record("int-3", 3, kind="label", parent_id="int-1", label="good"),
        record("int-1", 1, kind="llm_call", issue_id="gt-a"),
        record("int-2", 2, kind="label", parent_id="int-1", label="bad"),
        record("int-4", 4, kind="label", issue_id="gt-b", label="bad"),
        record("int-5", 5, kind="label", parent_id="int-9", label="good"),
        record("int-6", 6, kind="label", parent_id="int-1", label="so-so"),
    ]
    write_backup(tmp_path, rows)

    skipped: Counter[str] = Counter()
    found = beads_of(audit_rows([tmp_path, tmp_path / "missing"], skipped), skipped)

    assert found.labelled == {"gt-a": True, "gt-b": False}


def test_values_of_a_database_are_read_as_those_of_a_file() -> None:
    row = {"id": "gt-a", "status": "closed", "created_at": datetime(2026, 1, 5, 5, 0), "quality_score": 0.5}  # noqa: DTZ001  # as drivers give it
    odd = {"id": "gt-b", "created_at": "never", "quality_score": "x", "title": None}
    new = {
        "issue_id": "gt-a",
        "event_type": "status_changed",
        "created_at": SIX,
        "new_value": {"status": "open"},
    }

    found = beads_of([("gt", "issues", row), ("gt", "issues", odd), ("gt", "events", new)])

    assert found.beads["gt-a"].created == SIX - timedelta(hours=1)
    assert (found.beads["gt-a"].score, found.beads["gt-a"].database) == (0.5, "gt")
    assert (found.beads["gt-b"].created, found.beads["gt-b"].score, found.beads["gt-b"].title) == (
        None,
        None,
        "",
    )
    assert found.beads["gt-a"].changes[0].status == "open"


def test_a_status_that_was_set_to_closed_has_no_reason() -> None:
    row = event("gt-a", 1, "demo/refinery", "closed", "{}", status="closed")

    assert beads_of([bead("gt-a"), row]).beads["gt-a"].changes[0].reason == ""


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(WANTED)),
            st.dictionaries(
                st.sampled_from(sorted({name for names in WANTED.values() for name in names})),
                JSON_VALUES,
                max_size=6,
            ),
        ),
        max_size=6,
    )
)
def test_no_row_raises(rows: list[tuple[str, dict[str, object]]]) -> None:
    from node0.finetune.corpus.town.bead_outcomes import Outcomes

    found = Outcomes(beads_of(("", table, row) for table, row in rows))

    assert found.of.keys() == found.beads.beads.keys()


def test_changes_are_in_order_of_time() -> None:
    rows = [closed("gt-a", 9, "x"), changed("gt-a", 3, "x", status="open"), hooked("gt-a", 5, "x")]

    minutes = [change.at.minute for change in beads_of([bead("gt-a"), *rows]).beads["gt-a"].changes]

    assert minutes == [3, 5, 9]


def test_half_surrogates_and_impossible_times_are_read(tmp_path: Path) -> None:
    half = "\ud800"
    facts = {"created_at": "0001-01-01T00:00:00+14:00", "closed_at": "2026-01-01T00:00:00Z"}
    ending = (
        "",
        "events",
        {**closed(f"gt-{half}", 1, half, f"Fixed {half}")[2], "created_at": "9999-12-31T23:00:00-14:00"},
    )
    place = write_backup(
        tmp_path, [bead(f"gt-{half}", title=half, **facts), ending, closed(f"gt-{half}", 2, half)]
    )

    found = read_backup(place)

    (one,) = found.beads.values()
    assert (one.id, one.title, one.created) == ("gt-\ufffd", "\ufffd", None)
    assert (found.skipped["event without a time"], found.clock) == (1, timedelta())
    assert one.changes[0].actor == "\ufffd"
