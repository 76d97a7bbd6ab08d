# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_trees import PEERS, a_member, a_tree

from node0.errors import ConfigError
from node0.swarm.run.run_file import authorizer_of, is_run_of_swarm, key_file, read_run, write_run
from node0.swarm.run.swarm_run import SwarmRun


def read(tmp_path: Path, tree: object) -> SwarmRun:
    (tmp_path / "run.json").write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return read_run(tmp_path)


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    run = SwarmRun.model_validate(a_tree())

    write_run(tmp_path, run)

    assert read_run(tmp_path) == read_run(tmp_path / "run.json") == run


def test_a_directory_is_a_run_of_a_swarm_by_its_file_and_its_keys(tmp_path: Path) -> None:
    assert not is_run_of_swarm(tmp_path)
    write_run(tmp_path, SwarmRun.model_validate(a_tree()))
    assert not is_run_of_swarm(tmp_path)
    (tmp_path / "identities").mkdir()
    assert is_run_of_swarm(tmp_path)


def test_a_members_key_lies_beside_the_file(tmp_path: Path) -> None:
    assert key_file(tmp_path, "body-1.2") == tmp_path / "identities" / "body-1.2.key"


def test_a_file_of_the_plan_needs_nothing_else(tmp_path: Path) -> None:
    seed = f"/ip4/1.2.3.4/tcp/8765/p2p/{PEERS[0]}"

    run = read(tmp_path, {"local_mode": True, "local_seed_peers": [seed], "bypass_auth": False})

    assert run.local_mode
    assert run.seeds() == [seed]
    assert read(tmp_path, {}) == SwarmRun()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stagse": {}}, "unknown setting 'stagse' from run.json; did you mean 'stages'"),
        ({"num_stages": "many"}, "setting 'num_stages' is 'many' "),
        ({"num_stages": 10**9}, "setting 'num_stages' is 1000000000 "),
        ({"num_stages": 2}, "no stage .* in a model of 2 stages; it has head-0, tail-1"),
        ({"num_stages": 4}, "no stage tail-2 in a model of 4"),
        ({"stages": {"legs-1": []}}, "'legs-1' is no stage"),
        ({"stages": {"head-0": [a_member(0)], "body-1": [], "tail-2": [a_member(3)]}}, "nobody holds body-1"),
        ({"layers_per_stage": [1, 1]}, "layers_per_stage has 2 counts for 3 stages"),
        ({"spares": [a_member(0)]}, "head-0 and spare-0 have one peer id"),
        ({"spares": [a_member(4, peer_id="QmShort")]}, "'QmShort' is no peer id"),
        ({"spares": [a_member(4, host_maddrs=[])]}, r"setting 'spares\.0\.host_maddrs' is \[\]"),
        ({"spares": [a_member(4, host_maddrs=["0.0.0.0:1"])]}, "cannot read address '0.0.0.0:1'"),
        ({"spares": [a_member(4, port=1)]}, r"setting 'spares\.0\.port'"),
        ({"spares": [a_member(4, announce_maddrs=["/ip4/1.2.3.4/tcp/0"])]}, "has port 0; give the port"),
        (
            {"trainer": a_member(5, host_maddrs=[f"/ip4/1.2.3.4/tcp/1/p2p/{PEERS[5]}"])},
            "ends in a peer id; leave it out",
        ),
        (
            {"local_seed_peers": ["1.2.3.4:8765"]},
            "seed '1.2.3.4:8765' has no peer id; .* node0 swarm address",
        ),
        ({"wire": "float8"}, "setting 'wire' is 'float8'"),
        ({"backup_every": 0}, "setting 'backup_every' is 0"),
        ({"deadlines": {"step": 0}}, r"setting 'deadlines\.step' is 0"),
        ({"deadlines": {"stop": 1}}, r"unknown setting 'deadlines\.stop' .*did you mean 'deadlines\.step'"),
        ({"base_digest": "abc"}, "setting 'base_digest' is 'abc'"),
        ({"run_id": "../other"}, "setting 'run_id' is '../other'"),
    ],
)
def test_a_bad_value_is_one_line_with_file_value_and_reason(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        read(tmp_path, a_tree(**changes))

    assert str(raised.value).startswith(f"{tmp_path / 'run.json'}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"num_stages": NaN}'])
def test_a_file_that_is_no_run_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)

    assert "\n" not in str(raised.value)


def test_without_a_file_the_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read settings from .*run\.json: No such file"):
        read_run(tmp_path / "run.json")


def test_local_mode_needs_no_authorizer_and_anything_else_does() -> None:
    assert authorizer_of(SwarmRun(), local_mode=True) is None
    assert authorizer_of(SwarmRun(local_mode=True)) is None
    assert authorizer_of(SwarmRun(bypass_auth=True)) is None
    with pytest.raises(ConfigError, match=r"give --local-mode .*, or \"authorizer\""):
        authorizer_of(SwarmRun())


def test_an_authorizer_is_built_from_its_name_and_only_from_names_of_this_project() -> None:
    named = {"class_name": "node0.lora.lora_config.LoRAConfig", "init_args": {"rank": 3}}

    built = authorizer_of(SwarmRun.model_validate({"authorizer": named}))

    assert built.rank == 3
    with pytest.raises(ConfigError, match=r"'subprocess\.Popen' is not allowed"):
        authorizer_of(SwarmRun.model_validate({"authorizer": {"class_name": "subprocess.Popen"}}))


def test_reading_a_run_loads_neither_torch_nor_hivemind() -> None:
    code = "import node0.swarm.run.run_file, node0.swarm.run.identity, sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"torch", "hivemind", "numpy"}.isdisjoint(done.stdout.split())
