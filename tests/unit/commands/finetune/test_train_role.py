# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, make_corpus, settings

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.finetune.train_role import show_plan, train
from node0.commands.finetune.training_request import TrainingRequest, resolve
from node0.finetune.jobs.job_store import JobStore
from node0.town import Town

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    path = tmp_path / "deacon.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path, max_steps=2)))
    return path


def _request(config: Path, *, town: Path | None = None, register: str | None = None) -> TrainingRequest:
    return TrainingRequest(
        flags={},
        settings=(),
        config=str(config),
        run_config=None,
        town=town,
        remote=RemoteFlags(),
        resume="auto",
        stop_after=None,
        register=register,
        bead_id=None,
        local_mode=False,
        local_stage=None,
    )


def test_a_plan_is_shown_and_nothing_is_written(config: Path, tmp_path: Path, capsys: Printed) -> None:
    request = _request(config)

    show_plan(request, resolve(request), as_json=True)

    assert json.loads(capsys.readouterr().out)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_registered_and_a_job_of_its_town(
    config: Path, tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    request = _request(config, town=town_root, register="dm")

    train(request, resolve(request), as_json=True)

    out, err = capsys.readouterr()
    (summary,) = json.loads(out)
    assert (summary["steps"], summary["of"], summary["finished"]) == (2, 2, True)
    assert summary["registered"] == "dm:1"
    assert "  max_steps = 2  (deacon.yaml)" in err.splitlines()
    jobs = JobStore(Town(town_root), create=False)
    try:
        (job,) = jobs.list(None)
    finally:
        jobs.close()
    assert Path(job.run_dir) == tmp_path / "run"
