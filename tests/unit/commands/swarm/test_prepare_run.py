# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, settings

from node0.commands.swarm.prepare_run import NewRun, prepare_run
from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.chosen_model import choose_model
from node0.finetune.training.plan.learning_rate import adapter_rate
from node0.swarm.run.run_file import read_run


@pytest.fixture
def new(tmp_path: Path) -> NewRun:
    """Two stages over a base, on this machine."""
    make_base(tmp_path)
    (tmp_path / "deacon.yaml").write_text(yaml.safe_dump(settings(tmp_path)))
    return NewRun(
        tmp_path / "swarm",
        stages=2,
        replicas={},
        spares=0,
        hosts={},
        wire="float32",
        config=str(tmp_path / "deacon.yaml"),
        flags={"num_stages": 2},
        settings=("lr=0.5",),
        town=None,
    )


def test_a_command_is_printed_for_every_member(new: NewRun, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_run(replace(new, replicas={"tail-1": 2}, spares=1), as_json=True)

    rows = json.loads(capsys.readouterr().out)
    assert [row["member"] for row in rows] == ["head-0", "tail-1", "tail-1.2", "spare-0", "trainer"]
    assert yaml.safe_load((new.directory / "finetune.yaml").read_text())["lr"] == 0.5


def test_without_a_rate_the_one_that_the_base_gets_alone_is_written_down(new: NewRun, tmp_path: Path) -> None:
    unset = {name: value for name, value in settings(tmp_path).items() if name != "lr"}
    (tmp_path / "deacon.yaml").write_text(yaml.safe_dump(unset))

    prepare_run(replace(new, settings=()), as_json=True)

    base = choose_model(FineTuneConfig.model_validate(unset))
    written = yaml.safe_load((new.directory / "finetune.yaml").read_text())
    assert written["lr"] == adapter_rate(base.args.hidden_dim) != FineTuneConfig.model_fields["lr"].default


def test_each_run_has_an_id_of_its_own(new: NewRun, tmp_path: Path) -> None:
    prepare_run(new, as_json=True)
    prepare_run(replace(new, directory=tmp_path / "other"), as_json=True)

    assert read_run(new.directory).run_id != read_run(tmp_path / "other").run_id


def test_a_machine_that_others_cannot_reach_is_refused_and_nothing_is_made(new: NewRun) -> None:
    with pytest.raises(ConfigError):
        prepare_run(replace(new, hosts={"head-0": "10.0.0.5"}), as_json=True)
    with pytest.raises(ConfigError, match="'wire' is 'float8'"):
        prepare_run(replace(new, wire="float8"), as_json=True)

    assert not new.directory.exists()
