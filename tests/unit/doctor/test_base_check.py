# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny_run import make_base

from node0.doctor.base_check import base_check
from node0.models.base_model import resolve_base
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base to be damaged."""
    return make_base(tmp_path)


def run_for(base: Path) -> SwarmRun:
    return SwarmRun(base_model=str(base), base_digest=resolve_base(base).digest)


def test_the_base_of_the_run_passes_wherever_it_lies(base: Path, tmp_path: Path) -> None:
    run = run_for(base)

    assert base_check(run).state == "ok"
    assert base_check(run.model_copy(update={"base_model": "owner/name"}), base).state == "ok"


def test_a_base_with_one_other_number_is_named_with_both_digests(base: Path) -> None:
    run = run_for(base)
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})

    finding = base_check(run)

    now, agreed = resolve_base(base).digest[:12], str(run.base_digest)[:12]
    assert finding.state == "bad"
    assert finding.found == f"{base} has digest {now}, and the run is made for {agreed}"


def test_half_a_base_is_named(base: Path) -> None:
    run = run_for(base)
    with (base / "model.safetensors").open("r+b") as file:
        file.truncate(2000)

    assert base_check(run).state == "bad"


def test_a_base_that_is_not_here_is_no_error_yet() -> None:
    assert base_check(SwarmRun(base_model="owner/name", base_digest="0" * 64)).state == "note"
    assert base_check(SwarmRun()).state == "ok"
