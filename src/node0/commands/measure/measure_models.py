# SPDX-License-Identifier: Apache-2.0
"""Measure models one after the other on the sessions that a run held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.known_role import require_role
from node0.commands.measure.keep_measured import keep_measured, registered_as
from node0.finetune.eval.held_out import held_out_of, measure_model
from node0.finetune.inference.loading import find_source, load_model
from node0.finetune.inference.measured_model import MeasuredModel
from node0.finetune.run_dir import RunDirectory


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """On what models are measured, and how."""

    run: Path
    corpus_path: Path | None = None
    role: str | None = None
    "None takes what the run was trained with, here and above."

    limit: int | None = None
    max_tokens: int = 96
    device: str = "auto"
    town: Path | None = None
    store: bool = True
    "Whether to keep what is measured of a registered version with it."


def measure_models(names: Sequence[str], request: MeasureRequest, *, as_json: bool) -> None:
    """Print each model's loss and exact calls.

    Raises:
        NotFound: no such run, model or corpus.
        BadCorpus: the held-out entries hold no answer.
    """
    run = RunDirectory(request.run)
    settings = run.require_settings()
    require_role(request.role, request.town, [str(settings.get("role"))])
    entries = held_out_of(run, request.corpus_path)
    for name in names:  # measuring one takes long enough: a wrong name is said before
        find_source(name, town=request.town)
    rows: list[dict[str, Any]] = []
    for name in names:
        spelled = registered_as(name, request.town) if request.store else None
        loaded = load_model(
            name,
            town=request.town,
            role=request.role or str(settings.get("role")),
            profile=Path(settings["profile"]) if settings.get("profile") else None,
            device=request.device,
            dtype="float32",
        )
        try:
            measured = measure_model(
                MeasuredModel(loaded), entries, limit=request.limit, max_tokens=request.max_tokens
            )
        finally:
            loaded.pipeline.close()
        rows.append(measured.row())
        if spelled is not None:
            keep_measured(spelled, measured, request.town)
    console.emit(rows, as_json=as_json)
