# SPDX-License-Identifier: Apache-2.0
"""Training runs at the desk: the jobs of the town, and one with its states and its loss curve."""

from pathlib import Path

from node0.commands.desk.pages.desk_page import Asked, Desk, Shown
from node0.commands.desk.pages.loss_curve import loss_curve
from node0.commands.desk.pages.slices import page_number, sliced
from node0.commands.job.show_jobs import job_fields, job_row, open_jobs
from node0.errors import BadCheckpoint
from node0.finetune.run_dir import RunDirectory

STATES = 100
"Newest states of a job that are shown."


def runs(desk: Desk, asked: Asked) -> Shown:
    """Every job, the last one touched first."""
    with open_jobs(desk.town.root) as jobs:
        found = sliced(jobs.list(), page_number(asked.query.get("page")))
    return Shown("runs.html", {"rows": [job_row(job) for job in found.rows], "slice": found})


def run(desk: Desk, asked: Asked) -> Shown:
    """One job: what it is, how far it came, and its loss."""
    with open_jobs(desk.town.root) as jobs:
        job = jobs.require(asked.path["job"])
        states = [one.model_dump(mode="json") for one in jobs.transitions(job.id)]
    try:
        records, problem = RunDirectory(Path(job.run_dir)).metrics(), ""
    except (BadCheckpoint, OSError) as error:
        records, problem = [], str(error)
    content = {
        "job": job,
        "fields": job_fields(job),
        "states": states[-STATES:],
        "curve": loss_curve(records),
        "problem": problem,
        "newest": records[-1] if records else {},
    }
    return Shown("run.html", content)
