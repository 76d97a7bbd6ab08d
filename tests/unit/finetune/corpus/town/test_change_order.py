# SPDX-License-Identifier: Apache-2.0
"""Changes of one second, as bd 1.0 writes them: whole seconds, ids at random, the bead before in full."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.town.beads import Change
from node0.finetune.corpus.town.change_order import MOST, in_order

AT = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
TOAST, ONYX = "demo/polecats/toast", "demo/polecats/onyx"
CREATED = Change(AT, "created", "mayor")
NOTED = Change(AT, "updated", TOAST, before="hooked", assignee_before=TOAST)
BEGUN = Change(AT, "status_changed", TOAST, before="hooked", status="in_progress", assignee_before=TOAST)
CLOSED = Change(AT, "closed", TOAST, status="closed", reason="Closed")
MERGED = Change(AT, "closed", "demo/refinery", status="closed", reason="Merged")


def hooked(worker: str, before: str = "") -> Change:
    new = Change(AT, "status_changed", "mayor", before="open", status="hooked", assignee=worker)
    return replace(new, assignee_before=before)


def unhooked(worker: str) -> Change:
    new = Change(AT, "status_changed", "demo/witness", before="hooked", status="open", assignee="")
    return replace(new, assignee_before=worker)


def reopened(worker: str, reason: str) -> Change:
    new = Change(AT, "reopened", "demo/witness", before="closed", status="open")
    return replace(new, assignee_before=worker, reason_before=reason)


TRAILS = [
    [CREATED, hooked(TOAST), NOTED, BEGUN, CLOSED],
    [CREATED, hooked(TOAST), unhooked(TOAST), hooked(ONYX)],
    [CREATED, hooked(TOAST), BEGUN, CLOSED, reopened(TOAST, "Closed"), MERGED],
    [hooked(TOAST), replace(BEGUN, status="closed", kind="closed")],
]


@pytest.mark.parametrize("trail", TRAILS, ids=["worked", "handed on", "reopened", "duplicate"])
@given(data=st.data())
def test_what_happened_in_one_second_is_told_in_its_order(
    trail: Sequence[Change], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(trail))

    assert in_order(shuffled) == trail


def test_the_second_before_tells_how_the_next_one_begins() -> None:
    later = AT + timedelta(seconds=1)
    first = [hooked(TOAST), BEGUN]
    second = [
        replace(change, at=later) for change in (CLOSED, reopened(TOAST, "Closed"), hooked(ONYX, TOAST))
    ]

    assert in_order([second[2], first[1], second[1], first[0], second[0]]) == [*first, *second]


def test_changes_that_make_no_trail_stay_in_the_order_of_their_rows() -> None:
    rows = [hooked(TOAST), hooked(ONYX), unhooked("nobody")]

    assert in_order(rows) == rows


@given(st.lists(st.sampled_from([one for trail in TRAILS for one in trail]), max_size=2 * MOST))
def test_no_change_is_lost_whatever_was_written(rows: list[Change]) -> None:
    found = in_order(rows)

    assert sorted(map(repr, found)) == sorted(map(repr, rows))


def test_a_second_with_very_many_changes_is_not_searched_without_an_end() -> None:
    """Any of them may be first and none can be second: there are more orders than can be looked at."""
    hostile = [hooked(f"worker-{number}") for number in range(MOST)]

    assert in_order(hostile) == hostile
