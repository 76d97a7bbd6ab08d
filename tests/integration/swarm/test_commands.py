# SPDX-License-Identifier: Apache-2.0
"""The commands of README's swarm section, as processes on loopback."""

from pathlib import Path

import pytest
from integration.swarm.processes import finetune, init, place, stages
from safetensors.torch import load_file

from node0.finetune.run_dir import RunDirectory

pytestmark = pytest.mark.integration

ADAPTER = "adapter_model.safetensors"


def test_a_local_swarm_trains_the_adapter_of_one_process(tmp_path: Path) -> None:
    file = place(tmp_path)

    one = finetune("--config", str(file))
    many = finetune("--config", str(file), "--checkpoint-dir", str(tmp_path / "many"), "--local-swarm", "3")

    assert one.returncode == 0, one.stderr
    assert many.returncode == 0, many.stderr
    assert (tmp_path / "many" / ADAPTER).read_bytes() == (tmp_path / "run" / ADAPTER).read_bytes()
    losses = [
        [record.get("loss") for record in RunDirectory(tmp_path / run).metrics()] for run in ("run", "many")
    ]
    assert losses[0] == losses[1]


def test_stages_started_one_by_one_train_it_too(tmp_path: Path) -> None:
    file = place(tmp_path)
    one = finetune("--config", str(file))
    run = tmp_path / "swarm"
    init(file, run, "--stages", "3", "--checkpoint-dir", str(tmp_path / "many"))

    with stages(run, ["head-0", "body-1", "tail-2"]):
        many = finetune("--swarm", "--run", str(run))

    assert one.returncode == 0, one.stderr
    assert many.returncode == 0, many.stderr
    assert load_file(tmp_path / "many" / ADAPTER).keys() == load_file(tmp_path / "run" / ADAPTER).keys()
    assert (tmp_path / "many" / ADAPTER).read_bytes() == (tmp_path / "run" / ADAPTER).read_bytes()
    assert not list(run.glob(".sockets/*"))


def test_a_checkpoint_of_the_swarm_is_gathered_and_goes_on_in_one_process(tmp_path: Path) -> None:
    file = place(tmp_path)
    run = tmp_path / "swarm"
    init(file, run, "--stages", "2", "--checkpoint-dir", str(tmp_path / "many"))

    with stages(run, ["head-0", "tail-1"]):
        many = finetune("--swarm", "--run", str(run))

    assert many.returncode == 0, many.stderr
    whole = tmp_path / "many" / "whole" / "step_6"
    assert load_file(whole / "adapter" / ADAPTER).keys() == load_file(tmp_path / "many" / ADAPTER).keys()
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["head-0", "tail-1"]
    on = ("--set", "max_steps=8", "--resume", str(whole))
    one = finetune("--config", str(file), "--checkpoint-dir", str(tmp_path / "on"), *on)
    assert one.returncode == 0, one.stderr
    assert {"gathered", "whole", "swarm"}.isdisjoint(
        name.split("/")[0] for name in RunDirectory(tmp_path / "many").verify()["files"]
    )
