# SPDX-License-Identifier: Apache-2.0
"""Every module has unit tests of its own name at the mirrored place, or a reason why not."""

from pathlib import Path

import pytest
from architecture.source_tree import MODULES, ROOT, SOURCE

UNIT = ROOT / "tests" / "unit"
PLAN_NAME = "hands on what the plan names there; test_plan_names.py calls it"
TYPES = "types alone: what makes and reads them is tested"
UNTESTED = {
    "finetune/data/loss.py": PLAN_NAME,
    "finetune/eval/runner.py": PLAN_NAME,
    "finetune/inference/kv_cache.py": PLAN_NAME,
    "finetune/inference/sampling.py": PLAN_NAME,
    "finetune/lora/adapter.py": PLAN_NAME,
    "finetune/lora/config.py": PLAN_NAME,
    "finetune/lora/linear.py": PLAN_NAME,
    "run_corpus.py": PLAN_NAME,
    "run_finetune.py": PLAN_NAME,
    "run_inference.py": PLAN_NAME,
    "run_server.py": PLAN_NAME,
    "security/validation.py": PLAN_NAME,
    "commands/desk/pages/desk_page.py": TYPES,
    "finetune/chat/traits.py": TYPES,
    "finetune/registry/deployments.py": TYPES,
    "finetune/serving/asking/asked_model.py": TYPES,
    "finetune/serving/engines/token_engine.py": TYPES,
    "finetune/serving/http/serving_state.py": TYPES,
    "finetune/training/plan/training_data.py": TYPES,
    "store/dolt_store.py": "speaks to a real server alone: tests/integration/test_stores.py",
    "store/tables.py": "definitions: test_migrate.py compares them with what migrations build",
    "swarm/records/dht.py": TYPES,
}


def _tests(module: Path) -> Path:
    return UNIT / module.relative_to(SOURCE).parent / f"test_{module.name}"


def _inside(module: Path) -> str:
    return module.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=_inside)
def test_a_module_has_unit_tests_of_its_own_name_or_a_reason(module: Path) -> None:
    assert _tests(module).is_file() != (_inside(module) in UNTESTED)


def test_a_reason_speaks_of_a_module_that_exists() -> None:
    assert UNTESTED.keys() <= {_inside(module) for module in MODULES}
