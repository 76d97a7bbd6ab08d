# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.training.trackers.mlflow_run import MlflowRun
from node0.finetune.training.trackers.tracker import TrackedRun


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """A store of files: the one that the client keeps without a server and without a database."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    pytest.importorskip("mlflow", reason="pip install 'gastown-finetune[mlflow]'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    for name in ("ID", "NAME"):
        monkeypatch.delenv(f"MLFLOW_EXPERIMENT_{name}", raising=False)


def told(tmp_path, **changes) -> TrackedRun:
    given = {"name": "deacon", "project": None, "settings": {"lr": 1e-3, "quantize": None}}
    return TrackedRun(**{**given, **changes}, directory=tmp_path / "trackers")


def kept(tmp_path):
    from mlflow import MlflowClient

    return MlflowClient(), told(tmp_path).known_as("mlflow")


def test_a_run_that_goes_on_is_the_same_one_and_has_every_step(tmp_path):
    first = MlflowRun(told(tmp_path))
    first.log(1, {"loss": 2.5})
    first.close("interrupted")
    client, run_id = kept(tmp_path)
    interrupted = client.get_run(run_id).info.status
    # What the settings are by now is another thing: there, a parameter never changes.
    second = MlflowRun(told(tmp_path, settings={"lr": 5.0}))
    running = client.get_run(run_id).info.status
    second.log(2, {"loss": 2.0})
    second.close("finished")

    run = client.get_run(run_id)
    assert [interrupted, running, run.info.status] == ["KILLED", "RUNNING", "FINISHED"]
    assert run.data.params == {"lr": "0.001", "quantize": "None"}
    assert [(one.step, one.value) for one in client.get_metric_history(run_id, "loss")] == [
        (1, 2.5),
        (2, 2.0),
    ]
    assert kept(tmp_path)[1] == run_id


def test_who_runs_what_where_is_not_told(tmp_path):
    MlflowRun(told(tmp_path)).close("failed")

    client, run_id = kept(tmp_path)
    run = client.get_run(run_id)
    assert run.data.tags == {"mlflow.runName": "deacon"}
    assert run.info.status == "FAILED"


def test_a_run_that_the_store_no_longer_knows_begins_anew(tmp_path):
    told(tmp_path).remember("mlflow", "0" * 32)

    MlflowRun(told(tmp_path)).close("finished")

    client, run_id = kept(tmp_path)
    assert run_id != "0" * 32
    assert client.get_run(run_id).info.status == "FINISHED"


def test_the_experiment_is_the_settings_then_the_environments_then_ours(tmp_path, monkeypatch):
    def experiment(**changes):
        (tmp_path / "trackers" / "mlflow.id").unlink(missing_ok=True)
        MlflowRun(told(tmp_path, **changes)).close("finished")
        client, run_id = kept(tmp_path)
        return client.get_experiment(client.get_run(run_id).info.experiment_id).name

    ours = experiment()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-environment")

    assert [ours, experiment(), experiment(project="asked-for")] == [
        "gastown-finetune",
        "of-the-environment",
        "asked-for",
    ]
