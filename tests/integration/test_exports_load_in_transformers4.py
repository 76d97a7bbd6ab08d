# SPDX-License-Identifier: Apache-2.0
"""Exported models in the last transformers 4, which runs in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from integration.hf_models import CASES, make_model, save_model, some_ids, their_logits
from integration.make_transformers4 import make
from safetensors.torch import save_file

from node0.models.base_model import export_base, resolve_base
from node0.models.factory import load_stages

pytestmark = pytest.mark.integration

COMPARE = """
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

assert transformers.__version__.startswith("4."), transformers.__version__
root = Path(sys.argv[1])
wanted = load_file(root / "wanted.safetensors")
for name, logits in wanted.items():
    if name == "ids":
        continue
    model = transformers.AutoModelForCausalLM.from_pretrained(
        root / name, torch_dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        ours = model(input_ids=wanted["ids"], use_cache=False).logits
    print(name, float((ours - logits).abs().max()))
"""


def test_exported_models_give_the_same_logits_in_transformers_4(tmp_path: Path) -> None:
    ids = some_ids()
    wanted = {"ids": ids}
    for name, case in CASES.items():
        model = make_model(case)
        wanted[name] = their_logits(model, ids).contiguous()
        base = resolve_base(save_model(model, tmp_path / f"{name}-base", spelling="5", case=case))
        export_base(load_stages(base, 2), tmp_path / name)
    save_file(wanted, tmp_path / "wanted.safetensors")

    result = subprocess.run(
        [sys.executable, "-c", COMPARE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(make()), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    differences = dict(line.split() for line in result.stdout.splitlines())
    assert set(differences) == set(CASES)
    assert all(float(value) < 1e-4 for value in differences.values()), differences
