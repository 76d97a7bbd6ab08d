# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest
from tiny_run import configure

from node0.errors import ConfigError
from node0.finetune.training.plan.tracker_support import require_trackers


def test_none_is_asked_for_by_default_and_nothing_is_looked_for(tmp_path, monkeypatch):
    for name in ("tensorboard", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)

    require_trackers(configure(tmp_path))


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_one_clear_line_with_the_command_that_brings_it(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(
        ConfigError, match=rf"needs the {name} package; pip install 'gastown-finetune\[{name}\]'"
    ):
        require_trackers(configure(tmp_path, report_to=name))


@pytest.mark.parametrize(
    ("address", "remedy"), [("sqlite:///runs.db", "http://SERVER"), ("runs", "MLFLOW_ALLOW_FILE_STORE")]
)
def test_a_store_that_the_client_cannot_open_is_told_before_a_run(
    address, remedy, tmp_path: Path, monkeypatch
):
    pytest.importorskip("mlflow", reason="pip install 'gastown-finetune[mlflow]'")
    monkeypatch.setitem(sys.modules, "alembic", None)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)

    with pytest.raises(ConfigError, match=remedy):
        require_trackers(configure(tmp_path, report_to="mlflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    require_trackers(configure(tmp_path, report_to="mlflow"))
