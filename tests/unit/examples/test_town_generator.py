# SPDX-License-Identifier: Apache-2.0
"""The sample town's generator."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from town.generator import deacon, names, planted, polecat, witness
from town.generator.build import TownPlan, build_town
from town.generator.documents import COMMANDS, documents
from town.generator.script import Dice, rig_of
from town.generator.transcript import message_hash

PLAN = TownPlan(
    sessions={"deacon": 12, "witness": 4, "polecat": 4}, secrets=len(planted.SECRETS), people=4, rolls=2
)


def _digest(root: Path) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(str(path.relative_to(root)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


def _lines(root: Path) -> list[list[dict]]:
    files = sorted((root / ".claude").rglob("*.jsonl"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in files]


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_town(
            tmp_path / name / "gt", tmp_path / name / "planted.json", TownPlan(**{**vars(PLAN), "seed": seed})
        )

    first, again, other = (_digest(tmp_path / name) for name in "abc")

    assert first == again
    assert first != other


def test_building_twice_in_one_place_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    build_town(tmp_path / "gt", tmp_path / "p.json", TownPlan(**{**vars(PLAN), "seed": 5}))
    build_town(tmp_path / "gt", tmp_path / "p.json", PLAN)
    build_town(tmp_path / "fresh", tmp_path / "q.json", PLAN)

    assert _digest(tmp_path / "gt") == _digest(tmp_path / "fresh")


def test_every_planted_value_stands_in_the_session_that_the_manifest_names(tmp_path: Path) -> None:
    build_town(tmp_path / "gt", tmp_path / "p.json", PLAN)
    rows = json.loads((tmp_path / "p.json").read_text())["planted"]
    sessions = {path.stem: path.read_text() for path in (tmp_path / "gt").rglob("*.jsonl")}

    assert {row["kind"] for row in rows} >= set(planted.SECRETS)
    for row in rows:
        assert all(json.dumps(part)[1:-1] in sessions[row["session_id"]] for part in row["parts"])


def test_requests_name_every_message_of_the_session_by_its_hash(tmp_path: Path) -> None:
    build_town(tmp_path / "gt", tmp_path / "p.json", PLAN)

    for lines in _lines(tmp_path / "gt"):
        requests = [line for line in lines if line["type"] == "api-request"]
        blobs = {line["hash"] for line in lines if line["type"] == "api-request-blob"}
        users = {message_hash(line["message"]) for line in lines if line["type"] == "user"}
        length = 0
        for earlier, request in zip([None, *requests], requests, strict=False):
            assert request.get("base") == (earlier["id"] if earlier else None)
            assert request["keep"] == length
            length += len(request["tail"])
        assert {name for request in requests for name in request["tail"]} >= blobs
        # The last result is answered without a further request's tail naming it twice.
        assert users <= {name for request in requests for name in request["tail"]}


@pytest.mark.parametrize("script", [deacon.patrol, witness.patrol, witness.long_patrol, polecat.work])
def test_documents_name_every_command_of_every_session(script) -> None:
    known = [
        re.compile(re.escape(command).replace("<text>", '[^"]+').replace("<message>", '[^"]+'))
        for commands in COMMANDS.values()
        for command in commands
    ]
    heads = {
        command.split("<")[0].split(" --")[0].split(" -")[0].strip()
        for group in COMMANDS.values()
        for command in group
    }
    text = "\n".join(documents().values())

    for number in range(40):
        for step in script(Dice(f"cover {number}")).steps:
            assert any(step.command.startswith(head) for head in heads) or any(
                k.match(step.command) for k in known
            )
            program, verb = step.command.split()[:2]
            assert f"{program} {verb}" in text


def test_a_deacon_acts_on_a_row_of_what_it_was_shown() -> None:
    actions = 0
    for number in range(60):
        seen = ""
        for step in deacon.patrol(Dice(f"shown {number}")).steps:
            ids = [word for word in re.findall(r"[\w/-]+", step.command) if word in set(names.whole_words())]
            assert all(name in seen for name in ids), step.command
            actions += bool(ids)
            seen += step.result
    assert actions > 120


def test_a_table_offers_more_ids_of_the_kind_than_the_right_one() -> None:
    step = next(step for step in deacon.patrol(Dice("table 3")).steps if len(step.result.splitlines()) > 3)

    rows = step.result.splitlines()[1:]

    assert len(rows) >= 3
    assert len(set(rows)) == len(rows)


def test_ids_are_different_and_tell_their_rig() -> None:
    words = names.whole_words()

    assert len(words) == len(set(words))
    assert all(rig_of(bead) == rig for rig, group in names.BEADS.items() for bead in group)


def test_the_dice_are_the_same_on_every_machine() -> None:
    dice = Dice("pinned")

    assert [dice.between(0, 99) for _ in range(4)] == [36, 90, 59, 69]
    assert Dice("pinned").uuid() == Dice("pinned").uuid()
