# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from pydantic import ValidationError

from node0.finetune.jobs.job import Job, Transition
from node0.finetune.jobs.job_states import JobState

FIELDS: dict[str, Any] = {
    "id": "deacon-0a1b2c3d",
    "run_dir": "/runs/deacon",
    "role": "deacon",
    "mode": "sft",
    "state": "corpus-validating",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}


def test_a_job_is_read_from_words_and_written_as_the_same_words() -> None:
    job = Job(**FIELDS)

    assert job.state is JobState.CORPUS_VALIDATING
    assert job.model_dump(mode="json") == {**FIELDS, "bead_id": None}


@pytest.mark.parametrize("bead", ["gt-abc12", "hq-cv-1", "0", "a.b_c-d", "x" * 64])
def test_a_bead_is_named_as_bd_names_it(bead: str) -> None:
    assert Job(**FIELDS, bead_id=bead).bead_id == bead


@pytest.mark.parametrize("bead", ["", "-x", ".x", "../x", "two words", "a/b", "a\n", "x" * 65, "käse"])
def test_what_cannot_be_the_name_of_a_bead_is_refused(bead: str) -> None:
    with pytest.raises(ValidationError, match="bead_id"):
        Job(**FIELDS, bead_id=bead)


@pytest.mark.parametrize("changes", [{"state": "running"}, {"epoch": 3}, {"role": None}])
def test_a_row_of_another_make_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        Job(**{**FIELDS, **changes})


def test_neither_a_job_nor_what_it_went_through_changes_in_memory() -> None:
    moved = Transition(number=1, at="2026-01-01T00:00:00Z", state=JobState.READY, reason="")

    with pytest.raises(ValidationError, match="frozen"):
        Job(**FIELDS).state = JobState.DONE
    with pytest.raises(ValidationError, match="frozen"):
        moved.reason = "another"
