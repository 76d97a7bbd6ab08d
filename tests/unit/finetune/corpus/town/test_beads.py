# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.town.beads import Bead

DESCRIPTION = "Words first.\nbranch: polecat/toast\n  worker: indented\nEmpty:\nsource_issue:\tgt-a"


def a_bead(description: str) -> Bead:
    return Bead(
        id="gt-mr",
        title="Merge",
        status="closed",
        type="merge-request",
        assignee="",
        created_by="mayor",
        created=None,
        closed=None,
        close_reason="",
        description=description,
        database="gt",
        score=None,
    )


def test_a_descriptions_lines_of_key_and_value_are_its_fields() -> None:
    fields = a_bead(DESCRIPTION).fields()

    assert fields["branch"] == "polecat/toast"
    assert fields["source_issue"] == "gt-a"
    assert "worker" not in fields
    assert "Empty" not in fields


def test_a_description_in_words_has_no_fields() -> None:
    assert a_bead("See branch: no key stands first in a line, or it has\nno_value:").fields() == {}
