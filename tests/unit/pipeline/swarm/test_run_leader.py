# SPDX-License-Identifier: Apache-2.0
"""Where a leader looks for its members: in the run's file, and among those who announce themselves."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from node0.pipeline.swarm.run_leader import allowed_members, leader_settings
from node0.swarm.records.members import members_key, seal_member
from node0.swarm.run.create import create_run
from node0.swarm.run.identity import make_identity, read_identity
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import key_file
from node0.swarm.run.swarm_run import SwarmRun

ELSEWHERE = "/ip4/10.0.0.9/tcp/4100"


class Announced:
    """A peer whose DHT holds what these members say of themselves."""

    def __init__(self, run_id: str, **said: tuple[Path, object]) -> None:
        self._key, self._run_id = members_key(run_id), run_id
        self._records = {name: self._sealed(*each) for name, each in said.items()}

    async def look_up(self, key: str) -> Mapping[Any, Any]:
        """The records of the run."""
        return self._records if key == self._key else {}

    def _sealed(self, key: Path, place: object) -> bytes:
        now = time.time()
        content = {"addresses": [ELSEWHERE], "about": {"place": place, "time": now}}
        return seal_member(content, key=read_identity(key).private_key, run_id=self._run_id, until=now + 60)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run(directory: Path) -> SwarmRun:
    slots = lay_out(2, replicas={"tail-1": 2}, spares=1, hosts={}, start=24100)
    return create_run(directory, slots, common=SwarmRun(run_id="r", num_stages=2), settings="")


def _found(peer: Any, run: SwarmRun) -> dict[str, tuple[int | None, list[str]]]:
    settings = leader_settings(peer, run, state_bytes=0)
    return {spec.peer_id: (spec.stage, list(spec.addresses)) for spec in asyncio.run(settings.find())}


def test_the_file_names_members_and_the_leader_is_none_of_them(run: SwarmRun) -> None:
    found = _found(Announced("r"), run)

    assert sorted(str(stage) for stage, _ in found.values()) == ["0", "1", "1", "None"]
    assert all(len(addresses) == 1 for _, addresses in found.values())
    assert run.trainer is not None and run.trainer.peer_id not in found


def test_the_files_address_comes_before_what_a_member_announces(run: SwarmRun, directory: Path) -> None:
    head = key_file(directory, "head-0")
    peer_id = read_identity(head).peer_id

    stage, addresses = _found(Announced("r", head=(head, 1)), run)[peer_id]

    assert (stage, addresses == [ELSEWHERE]) == (0, False)


@pytest.mark.parametrize(("place", "stage"), [(1, 1), (None, None), ("head", None), (True, None)])
def test_a_run_without_members_finds_those_who_announce_themselves(
    place: object, stage: int | None, tmp_path: Path
) -> None:
    key = tmp_path / "peer.key"
    peer_id = make_identity(key).peer_id
    bare = SwarmRun(run_id="r", num_stages=2)

    assert allowed_members(bare) is None
    assert _found(Announced("r", peer=(key, place)), bare) == {peer_id: (stage, [ELSEWHERE])}


def test_strangers_are_not_found_in_a_run_with_members(run: SwarmRun, tmp_path: Path) -> None:
    key = tmp_path / "stranger.key"
    stranger = make_identity(key).peer_id

    assert stranger not in _found(Announced("r", stranger=(key, 0)), run)


def test_deadlines_are_those_of_the_file(run: SwarmRun) -> None:
    deadlines = run.deadlines.model_copy(update={"microbatch": 7.0, "replace": 9.0})
    settings = leader_settings(
        Announced("r"),  # type: ignore[arg-type]  # a peer to it
        run.model_copy(update={"deadlines": deadlines}),
        state_bytes=5,
    )

    assert (settings.deadline, settings.patience, settings.state_bytes, settings.num_stages) == (
        7.0,
        9.0,
        5,
        2,
    )
