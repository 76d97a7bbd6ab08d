# SPDX-License-Identifier: Apache-2.0
"""A run at an MLflow server, by its own client: MLFLOW_TRACKING_URI and its other variables hold.

The client is used, not `mlflow.start_run`: that one adds who runs which file of which commit.
"""

import time
from collections.abc import Mapping
from typing import Any

from node0.finetune.training.trackers.tracker import End, TrackedRun

NAME = "mlflow"
EXPERIMENT = "gastown-finetune"
"Where neither the run nor the environment names one."

STATUSES: Mapping[End, str] = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MlflowRun:
    """One run there; the same one again after a resume."""

    def __init__(self, told: TrackedRun) -> None:
        from mlflow import MlflowClient  # an optional package

        self._client: Any = MlflowClient()
        self._id = self._again(told.known_as(NAME)) or self._begin(told)
        told.remember(NAME, self._id)
        self.place = f"run {self._id} at {self._client.tracking_uri}"

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step in one request."""
        from mlflow.entities import Metric  # as above

        now = time.time_ns() // 10**6
        self._client.log_batch(
            self._id, metrics=[Metric(name, value, now, step) for name, value in values.items()]
        )

    def close(self, end: End) -> None:
        """Set the status."""
        self._client.set_terminated(self._id, STATUSES[end])

    def _again(self, run_id: str | None) -> str | None:
        """The id, and the run as running again; None where the server does not know it."""
        from mlflow.exceptions import MlflowException  # as above

        if run_id is None:
            return None
        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return run_id

    def _begin(self, told: TrackedRun) -> str:
        from mlflow.entities import Param  # as above

        run = self._client.create_run(self._experiment(told.project), run_name=told.name)
        params = [Param(name, str(value)) for name, value in told.settings.items()]
        self._client.log_batch(run.info.run_id, params=params)
        return str(run.info.run_id)

    def _experiment(self, project: str | None) -> str:
        from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME  # as above

        if project is None and (known := MLFLOW_EXPERIMENT_ID.get()):
            return str(known)
        name = project or MLFLOW_EXPERIMENT_NAME.get() or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))
