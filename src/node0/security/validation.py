# SPDX-License-Identifier: Apache-2.0
"""Checked metrics of peers, under the names that the plan gives them."""

from node0.swarm.records.peer_metrics import (
    TrainingMetricSchema,
    TrainingMetricsV1,
    WorkerMetricsV1,
    make_validators,
)

__all__ = ["TrainingMetricSchema", "TrainingMetricsV1", "WorkerMetricsV1", "make_validators"]
