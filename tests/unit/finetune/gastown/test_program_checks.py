# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from node0.finetune.gastown.program_checks import fits, program_checks
from node0.finetune.gastown.programs import Program, Version

WELL: Mapping[str, Version | None] = {
    "gt": (1, 0, 1),
    "bd": (1, 0, 0),
    "dolt": (2, 0, 0),
    "tmux": (3, 3),
    "claude": (2, 1, 332),
}


def having(versions: Mapping[str, Version | None]) -> Callable[[str], Program]:
    return lambda name: Program(name, Path("/bin") / name if name in versions else None, versions.get(name))


def states(versions: Mapping[str, Version | None]) -> dict[str, str]:
    return {one.check: one.state for one in program_checks(having(versions))}


def test_a_town_with_everything_is_well() -> None:
    assert set(states(WELL).values()) == {"ok"}


@pytest.mark.parametrize("name", ["gt", "bd", "dolt", "tmux"])
def test_what_is_missing_is_named_with_what_to_do(name: str) -> None:
    found = {one.check: one for one in program_checks(having({k: v for k, v in WELL.items() if k != name}))}

    assert found[name].state == "bad" and name in found[name].do


def test_no_harness_is_bad_and_any_one_is_enough() -> None:
    without = {name: version for name, version in WELL.items() if name != "claude"}

    assert states(without)["harness"] == "bad"
    assert states({**without, "pi": (0, 73, 1)})["harness"] == "ok"


@pytest.mark.parametrize(("name", "version"), [("bd", (0, 56, 9)), ("dolt", (1, 82, 3))])
def test_what_is_older_than_gt_asks_for_is_bad(name: str, version: Version) -> None:
    assert states({**WELL, name: version})[name] == "bad"


@pytest.mark.parametrize(
    ("gt", "bd", "state"),
    [
        ((1, 0, 1), (1, 0, 2), "ok"),
        ((1, 0, 1), (1, 0, 3), "bad"),
        ((1, 0, 1), (1, 0, 5), "bad"),
        ((1, 0, 0), (1, 1, 0), "bad"),
        ((1, 2, 0), (1, 0, 5), "ok"),
        (None, (1, 0, 5), "note"),
        ((1, 0, 1), None, "note"),
    ],
)
def test_gt_and_bd_are_compared_by_their_versions(gt: Version, bd: Version, state: str) -> None:
    found = {name: having({"gt": gt, "bd": bd})(name) for name in ("gt", "bd")}

    (one,) = fits(found)

    assert one.state == state
    assert state != "bad" or ("issue_prefix" in one.found and "bd 1.0.2" in one.do)


def test_a_pair_of_which_one_is_missing_is_not_compared() -> None:
    (one,) = fits({name: having({"gt": (1, 0, 1)})(name) for name in ("gt", "bd")})

    assert (one.state, one.found) == ("note", "not compared: no bd on PATH")
