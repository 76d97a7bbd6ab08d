# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.finetune.training_request import TrainingRequest, print_settings, resolve
from node0.errors import ConfigError

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def request_of() -> TrainingRequest:
    """The least that trains."""
    return TrainingRequest(
        flags={"role": "deacon", "corpus_path": "corpus", "checkpoint_dir": "run", "base_model": None},
        settings=(),
        config=None,
        run_config=None,
        town=None,
        remote=RemoteFlags(),
        resume="auto",
        stop_after=None,
        register=None,
        bead_id=None,
        local_mode=False,
        local_stage=None,
    )


def test_flags_that_were_not_given_leave_the_default(request_of: TrainingRequest, capsys: Printed) -> None:
    resolved = resolve(replace(request_of, settings=("seed=3",)))

    print_settings(resolved, as_json=True)
    rows = {row["setting"]: (row["value"], row["from"]) for row in json.loads(capsys.readouterr().out)}
    assert (rows["role"], rows["seed"]) == (("deacon", "flag"), (3, "flag"))
    assert rows["base_model"] == (None, "default")


def test_the_settings_of_a_swarm_are_taken_from_its_run(request_of: TrainingRequest, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "finetune.yaml").write_text(yaml.safe_dump({"lr": 0.25}))

    resolved = resolve(replace(request_of, remote=RemoteFlags(swarm=True, run=tmp_path)))

    assert resolved.values.lr == 0.25


@pytest.mark.parametrize("name", ["bad name", "../x", "-x"])
def test_a_name_that_no_model_can_have_is_refused_before_training(
    request_of: TrainingRequest, name: str
) -> None:
    with pytest.raises(ConfigError, match="is no name of a model"):
        resolve(replace(request_of, register=name))


def test_a_stage_of_this_machine_needs_local_mode(request_of: TrainingRequest, capsys: Printed) -> None:
    with pytest.raises(ConfigError, match="--local-stage needs --local-mode"):
        resolve(replace(request_of, local_stage="head-0"))

    resolve(replace(request_of, local_stage="head-0", local_mode=True))

    assert "this process runs every stage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, False), ({"bead_id": "gt-1"}, True), ({"register": "dm"}, True), ({"town": Path("gt")}, True)],
)
def test_a_run_that_names_anything_of_a_town_is_its_job(
    request_of: TrainingRequest, change: dict[str, object], expected: bool
) -> None:
    assert replace(request_of, **change).is_for_a_town is expected  # type: ignore[arg-type]  # its fields


def test_a_swarm_does_not_hold_its_base_in_four_bits(request_of: TrainingRequest) -> None:
    asked = replace(request_of, settings=("quantize=nf4",), remote=RemoteFlags(local_swarm=2))

    with pytest.raises(ConfigError, match="train without a swarm"):
        resolve(asked)
