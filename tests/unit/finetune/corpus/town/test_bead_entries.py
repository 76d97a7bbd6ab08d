# SPDX-License-Identifier: Apache-2.0
import pytest
from bead_rows import Row, bead, changed, closed, hooked

from node0.finetune.corpus.town.bead_entries import (
    convoy_entry,
    convoy_log_entry,
    lifecycle_entry,
    sling_entry,
)
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of

TOAST = "demo/polecats/toast"
WORK = [bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 75, TOAST, "Merged to main")]


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(beads_of(rows))


def test_a_bead_without_a_status_change_has_no_lifecycle() -> None:
    found = outcomes(bead("gt-a"), changed("gt-a", 1, "mayor", status="open"))

    assert lifecycle_entry(found, found.beads.beads["gt-a"], "") is None


def test_each_entry_of_a_bead_has_an_id_of_its_own() -> None:
    found = outcomes(*WORK)
    one, (sling,) = found.beads.beads["gt-a"], found.slings["gt-a"]

    entries = [lifecycle_entry(found, one, TOAST), sling_entry(found, sling), convoy_entry(found, one)]

    assert len({entry.id for entry in entries if entry}) == 3


def test_an_id_stays_when_an_outcome_changes() -> None:
    before, after = outcomes(*WORK[:2]), outcomes(*WORK)
    entries = [sling_entry(found, found.slings["gt-a"][0]) for found in (before, after)]

    assert entries[0].id == entries[1].id
    assert [entry.outcome for entry in entries] == ["open", "success"]


@pytest.mark.parametrize(
    ("facts", "worker", "rig"),
    [
        ({}, TOAST, "demo"),
        ({"created_by": "harbor/witness"}, "mayor", "harbor"),
        ({"created_by": "mayor"}, "", "hq"),
    ],
)
def test_the_rig_is_the_workers_or_the_makers_or_the_towns(
    facts: dict[str, str], worker: str, rig: str
) -> None:
    found = outcomes(bead("gt-a", **facts), hooked("gt-a", 0, TOAST))

    entry = lifecycle_entry(found, found.beads.beads["gt-a"], worker)

    assert entry is not None
    assert (entry.rig, entry.role) == (rig, worker.rpartition("/")[2].replace("toast", "polecat") or "all")


@pytest.mark.parametrize(
    ("line", "created"),
    [
        ("2026-01-05 06:00:00 [convoy] made", "2026-01-05T06:00:00+00:00"),
        ("no time", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_log_begins_when_its_first_line_does(line: str, created: str) -> None:
    entry = convoy_log_entry("hq-cv-1", [line, "more"])

    assert entry.created_at == created
    assert entry.messages[1]["content"] == f"{line}\nmore"
