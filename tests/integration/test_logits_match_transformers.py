# SPDX-License-Identifier: Apache-2.0
"""Logits of every supported architecture against transformers, in float32."""

from pathlib import Path

import pytest
import torch
from integration.hf_models import (
    CASES,
    largest_difference,
    make_model,
    our_logits,
    save_model,
    some_ids,
    their_logits,
)
from transformers import AutoModelForCausalLM

from node0.models.base_model import base_digest, export_base, resolve_base
from node0.models.factory import load_stages

pytestmark = pytest.mark.integration

CLOSE, FAR = 1e-4, 1e-2


@pytest.mark.parametrize("name", CASES)
def test_stages_give_the_logits_of_transformers_from_both_spellings_of_config(
    name: str, tmp_path: Path
) -> None:
    case = CASES[name]
    model, ids = make_model(case), some_ids()
    wanted = their_logits(model, ids)

    for spelling in ("4", "5"):
        base = resolve_base(save_model(model, tmp_path / spelling, spelling=spelling, case=case))
        for num_stages in (1, 2, 3, 4):
            logits = our_logits(load_stages(base, num_stages), ids)

            assert largest_difference(logits, wanted) < CLOSE, (spelling, num_stages)


@pytest.mark.parametrize("name", CASES)
def test_logits_differ_when_the_feature_is_switched_off(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model, ids = make_model(case), some_ids()
    base = resolve_base(save_model(model, tmp_path, spelling="4", case=case))

    logits = our_logits(case.off(base), ids)

    assert largest_difference(logits, their_logits(model, ids)) > FAR


@pytest.mark.parametrize("name", CASES)
def test_an_exported_model_gives_the_same_logits_in_transformers(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model, ids = make_model(case), some_ids()
    base = resolve_base(save_model(model, tmp_path / "base", spelling="5", case=case))

    export_base(load_stages(base, 3), tmp_path / "exported")

    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path / "exported", dtype=torch.float32, attn_implementation="eager"
    )
    assert largest_difference(their_logits(theirs, ids), their_logits(model, ids)) < CLOSE
    assert base_digest(tmp_path / "exported") == base.digest


@pytest.mark.parametrize("name", ["llama", "gqa", "qwen3", "mistral-window"])
def test_a_cache_fed_in_pieces_gives_the_logits_of_the_whole_row(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model, ids = make_model(case), some_ids(rows=1, tokens=80)
    base = resolve_base(save_model(model, tmp_path, spelling="4", case=case))
    stages = load_stages(base, 2)
    caches = [stage.new_cache(80) for stage in stages]

    pieces, start = [], 0
    for size in (1, 37, 1, 1, 20, 19, 1):
        hidden = ids[:, start : start + size]
        positions = torch.arange(start, start + size)[None]
        with torch.inference_mode():
            for stage, cache in zip(stages, caches, strict=True):
                hidden = stage.forward_hidden(hidden, positions, cache)
            pieces.append(stages[-1].logits(hidden))
        start += size

    assert largest_difference(torch.cat(pieces, dim=1), their_logits(model, ids)) < CLOSE
