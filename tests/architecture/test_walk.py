# SPDX-License-Identifier: Apache-2.0
"""The walk in docs/architecture.md: its stops exist, are on the way, and are counted right."""

import re
from typing import NamedTuple

import pytest
from architecture.source_tree import ROOT, import_graph

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WALK = PAGE.partition("\n## A walk\n")[2].partition("\n## ")[0]
GRAPH = import_graph()


class Part(NamedTuple):
    """One table of the walk: each row a room and its stops."""

    command: str
    rows: list[tuple[str, list[str]]]

    @property
    def stops(self) -> list[str]:
        return [f"node0.{room}.{stop}" for room, stops in self.rows for stop in stops]


def _parts() -> list[Part]:
    found = re.findall(r"^(`node0 [^|]*?)\n\n\|[^\n]*\n\|[^\n]*\n((?:\|[^\n]*\n)+)", WALK, re.MULTILINE)
    return [Part(command, [_row(line) for line in table.splitlines()]) for command, table in found]


def _row(line: str) -> tuple[str, list[str]]:
    room, stops = line.split(" | ")[:2]
    return room.strip("|` "), re.findall(r"`(\w+)`", stops)


def _reached(stops: list[str]) -> set[str]:
    """What the commands' modules among the stops import, directly or through others."""
    packages = {stop.rpartition(".")[0] for stop in stops if stop.startswith("node0.commands.")}
    reached: set[str] = set()
    waiting = [module for module in GRAPH if module.rpartition(".")[0] in packages]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(GRAPH[module])
    return reached


@pytest.mark.parametrize("part", _parts(), ids=lambda part: part.command)
def test_every_stop_is_a_module_that_its_command_reaches(part: Part) -> None:
    assert set(part.stops) <= _reached(part.stops) | _registered(part)


def _registered(part: Part) -> set[str]:
    """What lies between a run and its name: `node0 model` reaches it, `node0 infer` need not."""
    return {stop for stop in part.stops if stop.startswith("node0.finetune.registry.") and stop in GRAPH}


def test_the_walk_is_counted_right() -> None:
    counts = [(len(part.stops), len({room for room, _ in part.rows}), len(part.rows)) for part in _parts()]
    told = " ".join(WALK.split())

    (stops, rooms, rows), *others = counts
    assert len(counts) == 3
    assert f"makes {stops} stops in {rooms} rooms and comes back {rows - rooms} times" in told
    assert [rows - rooms for _, rooms, rows in others] == [2, 2]
    (training, its_rooms, _), (answering, their_rooms, _) = others
    assert f"Training makes {training} stops in {its_rooms} rooms and comes back twice" in told
    assert f"Answering makes {answering} stops in {their_rooms} rooms and comes back twice" in told
