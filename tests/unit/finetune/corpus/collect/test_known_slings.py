# SPDX-License-Identifier: Apache-2.0
from bead_rows import bead, closed, hooked

from node0.finetune.corpus.collect.known_slings import rows_of, with_known
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of

ROWS = [
    *(bead("gt-a"), hooked("gt-a", 0, "demo/crew/ann"), closed("gt-a", 9, "mayor", "Merged")),
    *(bead("gt-b", "hooked"), hooked("gt-b", 10, "demo/crew/ann")),
]


def test_slings_come_back_as_they_were_without_their_reason() -> None:
    before = Outcomes(beads_of(ROWS))

    kept = list(rows_of(before, {"gt-a", "gt-b", None}, str))
    after = with_known(None, kept)

    assert after is not None
    assert [one.result for slings in after.slings.values() for one in slings] == [
        one.result for slings in before.slings.values() for one in slings
    ]
    assert list(rows_of(after, {"gt-a", "gt-b"}, str)) == kept
    assert (after.of["gt-a"].outcome, after.slings["gt-a"][0].reason) == ("success", "")


def test_only_slings_of_the_beads_that_are_asked_for_are_kept_and_scrubbed() -> None:
    (row,) = rows_of(Outcomes(beads_of(ROWS)), {"gt-b"}, lambda text: text.replace("ann", "[NAME]"))

    assert (row["bead"], row["worker"], row["end"]) == ("gt-b", "demo/crew/[NAME]", None)


def test_where_nothing_was_ever_told_there_are_no_outcomes() -> None:
    assert with_known(None, []) is None
    assert with_known(None, [{"bead": "gt-a", "start": "never"}, {"start": "2026-01-05T06:00:00Z"}]) is None


def test_a_bead_that_is_gone_is_on_nobodys_hook() -> None:
    kept = list(rows_of(Outcomes(beads_of(ROWS)), {"gt-a", "gt-b"}, str))

    after = with_known(Outcomes(beads_of([])), kept)

    assert after is not None
    assert set(after.slings) == {"gt-a"}
