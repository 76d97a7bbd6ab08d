# SPDX-License-Identifier: Apache-2.0
"""A town for the desk: entries that are hostile or wait, a run with its loss, versions with a history."""

import json
from pathlib import Path

from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.jobs.job_states import JobState
from node0.finetune.jobs.job_store import JobStore
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.town import Town

HOSTILE = (
    '<script>document.title = "taken"</script><img src=x onerror="document.title = 1">'
    "\x1b[2J\x1b]52;c;aGk=\x07\u202e {{ 7 * 7 }}"
)
"Markup, escapes that steer a terminal, a sign that turns the line around, a template's words."

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
WAITING = {"waits-1": "dolphinswim", "waits-2": "otterclimb", "waits-3": "dolphinswim"}
"Ids of entries in quarantine, and the value that each is there for."


def entry(name: str, text: str, *, role: str = "mayor", answer: str = "Done.") -> CorpusEntry:
    """An entry of one call that asks `text`."""
    return CorpusEntry(
        id=name,
        role=role,
        rig="hq",
        task_type="coordination",
        outcome="success",
        created_at=f"2026-01-05T00:00:{sum(map(ord, name)) % 60:02}+00:00",
        messages=[
            {"role": "user", "content": text},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ],
        systems={"s": "You are the mayor."},
        toolsets={"t": []},
        requests=[RecordedCall(n_messages=1, system="s", tools="t")],
    )


def desk_town(root: Path) -> Town:
    """The town, made in a directory that may be empty."""
    town = Town(root)
    town.models.mkdir(parents=True, exist_ok=True)
    _corpus(town)
    _run(town)
    _versions(town)
    return town


def _corpus(town: Town) -> None:
    store, scrubber = CorpusStore(town), make_scrubber((), town=town)
    texts = {"hostile": HOSTILE, "secret": f"use {SECRET}, and write to someone@corp.io"}
    texts |= {name: f'password: "{value}"' for name, value in WAITING.items()}
    texts |= {f"plain-{number:02}": "What now?" for number in range(60)}
    for name, text in texts.items():
        store.add(scrubber.scrub_entry(entry(name, text)).entry)


def _run(town: Town) -> None:
    run = RunDirectory(town.checkpoints / "mayor-1")
    run.make()
    losses = [{"step": step, "loss": 3 / (1 + step), "lr": 1e-4} for step in range(1, 41)]
    losses[19]["val_loss"] = 0.5
    losses[39]["val_loss"] = 0.25
    run.metrics_file.write_text("".join(f"{json.dumps(row)}\n" for row in losses))
    jobs = JobStore(town)
    try:
        job = jobs.begin(run.root, role="mayor", mode="sft", bead_id="gt-abc12")
        jobs.move(job.id, JobState.READY)
        jobs.move(job.id, JobState.TRAINING, reason="step 1")
        jobs.move(job.id, JobState.DONE, reason=HOSTILE)
    finally:
        jobs.close()


def _versions(town: Town) -> None:
    registry = ModelRegistry(town)
    try:
        parent = ""
        for number in (1, 2):
            directory = town.models / "files" / str(number)
            directory.mkdir(parents=True)
            (directory / "adapter_model.safetensors").write_bytes(bytes([number]))
            draft = ModelRegistryEntry(
                name="mayor",
                role="mayor",
                parent=parent,
                artifact_path=str(directory),
                artefacts=artefacts_of(directory),
                lora_adapters=["."],
            )
            parent = registry.register(draft).spelled
            registry.add_evaluation(
                parent, Evaluation(suite="held-out", items=100, score=0.9, low=0.8, high=0.95)
            )
        registry.move_alias("mayor:1", Alias.CANDIDATE, reason=HOSTILE)
    finally:
        registry.close()
