# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from eval_items import DictPlace

from node0.finetune.eval.suite.checks.bead_state import STORE, ABead, NewBead, NewBeads, OthersUntouched
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.item import Bead
from node0.finetune.eval.suite.place import bead_rows

BEFORE = bead_rows((Bead(id="gt-1", title="One"), Bead(id="gt-2", title="Two", needs=("gt-1",))))


def _left(changes: dict[str, dict[str, Any]], comments: list[dict[str, str]] | None = None) -> Evidence:
    """Beads after some changes; a new one begins as a plain task."""
    plain = bead_rows((Bead(id="x", title=""),))["x"]
    beads: dict[str, Any] = {name: dict(row) for name, row in BEFORE.items()}
    for name, change in changes.items():
        beads[name] = {**beads.get(name, plain | {"id": name}), **change}
    text = json.dumps({"beads": beads, "comments": comments or []})
    return Evidence("mayor", [], beads=BEFORE, place=DictPlace({STORE: text}))


def test_a_bead_is_compared_field_by_field() -> None:
    now = {"status": "closed", "close_reason": "works"}
    check = ABead.model_validate({"check": "bead", "id": "gt-1", "now": now})

    assert check.judge(_left({"gt-1": {"status": "closed", "close_reason": "It works"}})).passed
    assert check.judge(_left({})).reason == "gt-1: status is 'open', not 'closed'"
    assert "close_reason lacks" in check.judge(_left({"gt-1": {"status": "closed"}})).reason


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"needs": ["gt-1"]}, ""),
        ({"needs": []}, "it waits for ['gt-1'], not nothing"),
        ({"labels": ["ui"]}, "label 'ui' is missing"),
        ({"comment": "again"}, ""),
        ({"found_in": "gt-1"}, "discovered from nothing"),
    ],
)
def test_links_labels_and_comments_are_looked_at(now: dict[str, Any], told: str) -> None:
    check = ABead.model_validate({"check": "bead", "id": "gt-2", "now": now})

    result = check.judge(_left({}, [{"bead": "gt-2", "text": "failed again"}]))

    assert told in result.reason
    assert result.passed is (told == "")


def test_exactly_as_many_new_beads_fit_as_were_asked_for() -> None:
    check = NewBead.model_validate({"check": "new_bead", "is": {"type": "bug", "title": "safari"}})
    bug = {"type": "bug", "title": "Safari hangs"}

    assert check.judge(_left({"gt-n01": bug})).passed
    assert check.judge(_left({})).reason == "no bead was created"
    assert "2 new beads fit" in check.judge(_left({"gt-n01": bug, "gt-n02": bug})).reason
    assert "type is 'task'" in check.judge(_left({"gt-n01": {"title": "safari"}})).reason


def test_new_beads_form_a_graph_without_their_epic() -> None:
    chain = {
        "e": {"type": "epic"},
        "a": {"parent": "e"},
        "b": {"parent": "e", "needs": [["a", "blocks"]]},
    }
    flat = NewBeads(check="new_beads", least=3, most=3, parallelism=0.5)

    assert NewBeads(check="new_beads", least=3, most=3, depth=2).judge(_left(chain)).passed
    assert "parallelism 0.00" in flat.judge(_left(chain)).reason
    assert "0 beads were created" in flat.judge(_left({})).reason


def test_what_was_not_to_be_touched_is_as_it_was() -> None:
    check = OthersUntouched(check="others_untouched", but=("gt-1",))

    assert check.judge(_left({"gt-1": {"priority": 0}})).passed
    assert check.judge(_left({"gt-2": {"priority": 0}})).reason == "gt-2 was changed, and should not be"
    assert check.judge(_left({"gt-9": {}})).reason == "gt-9 was created, and should not be"
    assert OthersUntouched(check="others_untouched", new=True).judge(_left({"gt-9": {}})).passed


ROW = BEFORE["gt-1"] | {"status": "closed"}
BROKEN: dict[str, Any] = {
    "a bead of needs alone": {"beads": {"gt-1": {"needs": []}}},
    "an open bead is no object": {"beads": {"gt-1": ROW, "a": 3}},
    "needs are words": {"beads": {"gt-1": ROW | {"needs": ["gt-2"]}}},
    "needs of three": {"beads": {"gt-1": ROW | {"needs": [["gt-2", "blocks", "x"]]}}},
    "labels are no words": {"beads": {"gt-1": ROW | {"labels": [{}]}}},
    "a title is a number": {"beads": {"gt-1": ROW | {"title": 3}}},
    "a comment is a word": {"beads": {"gt-1": ROW}, "comments": ["x"]},
    "a comment of nothing": {"beads": {"gt-1": ROW}, "comments": [{}]},
}
TEXTS = ["", "{", "[]", "3", "null", '{"beads": 1}', '{"beads": {"gt-1": 3}, "comments": []}', "[" * 100_000]


@pytest.mark.parametrize(
    "text",
    [*TEXTS, *map(json.dumps, BROKEN.values())],
    ids=[*(text[:30] or "nothing" for text in TEXTS), *BROKEN],
)
def test_a_store_that_was_broken_counts_as_one_that_was_not_touched(text: str) -> None:
    evidence = Evidence("mayor", [], beads=BEFORE, place=DictPlace({STORE: text}))
    check = ABead.model_validate({"check": "bead", "id": "gt-1", "now": {"status": "closed"}})
    new = NewBead.model_validate({"check": "new_bead", "is": {"title": "x"}})

    assert check.judge(evidence).reason == "gt-1: status is 'open', not 'closed'"
    assert new.judge(evidence).reason == "no bead was created"
    assert OthersUntouched(check="others_untouched").judge(evidence).passed
