# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.finetune.jobs.job import Job
from node0.finetune.jobs.job_states import JobState

ROW = {
    "id": "run-12345678",
    "run_dir": "/runs/run",
    "role": "deacon",
    "mode": "sft",
    "state": "ready",
    "created_at": "2026-01-01T00:00:00.000+00:00",
    "updated_at": "2026-01-01T00:00:00.000+00:00",
}


def test_a_row_becomes_a_job_in_a_known_state() -> None:
    job = Job(**ROW)

    assert job.state is JobState.READY
    assert job.bead_id is None


@pytest.mark.parametrize(
    "change", [{"bead_id": "../gt-1"}, {"bead_id": ""}, {"state": "resting"}, {"more": 1}]
)
def test_what_no_job_can_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Job(**ROW | change)
