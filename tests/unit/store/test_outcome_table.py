# SPDX-License-Identifier: Apache-2.0
from deploy_town import registry, town

from node0.finetune.registry.store import ModelRegistry
from node0.store.outcome_table import list_outcomes, put_outcome

__all__ = ["registry", "town"]


def test_rows_of_one_version_come_by_time_and_are_replaced_by_session(registry: ModelRegistry) -> None:
    row = {"name": "deacon", "version": 1, "session_id": "s", "at": "2", "succeeded": 1}
    with registry.store.write("Outcomes") as transaction:
        for changed in ({}, {"succeeded": 0}, {"session_id": "t", "at": "1"}, {"version": 2}):
            put_outcome(transaction, row | changed)
        found = list_outcomes(transaction, "deacon", 1)

    assert [(one["session_id"], one["succeeded"]) for one in found] == [("t", 1), ("s", 0)]
