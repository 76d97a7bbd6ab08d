# SPDX-License-Identifier: Apache-2.0
from node0.finetune.gastown.upkeep.considered import Considered, keep_considered, read_considered
from node0.town import Town


def test_what_is_kept_is_read_and_replaced_by_the_next_run(town: Town) -> None:
    assert read_considered(town, "deacon") is None

    keep_considered(town, "deacon", "/runs/nightly-deacon-1", ["b", "a"])
    keep_considered(town, "witness", "/runs/nightly-witness-1", ["c"])

    assert read_considered(town, "deacon") == Considered(run="nightly-deacon-1", entries=["a", "b"])
    keep_considered(town, "deacon", "/runs/nightly-deacon-2", [])
    assert read_considered(town, "deacon") == Considered(run="nightly-deacon-2", entries=[])


def test_a_file_that_says_nothing_is_as_none(town: Town) -> None:
    keep_considered(town, "deacon", "/runs/nightly-deacon-1", ["a"])
    (town.models / "considered" / "deacon.json").write_text('{"run": 3')

    assert read_considered(town, "deacon") is None
