# SPDX-License-Identifier: Apache-2.0
"""A training job of a town, and the states that it was in."""

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.jobs.job_states import JobState

LONGEST_REASON = 1024


class Job(BaseModel):
    """The training in one run directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    "Name of the run directory and eight digits of the sha256 of its path."

    run_dir: str
    bead_id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    "The bead that asked for it."

    role: str
    mode: str
    state: JobState
    created_at: str
    updated_at: str
    "ISO 8601, UTC."


class Transition(BaseModel):
    """One state that a job was in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    "1, 2, ... of one job."

    at: str
    "ISO 8601, UTC."

    state: JobState
    reason: str
