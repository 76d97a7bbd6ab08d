# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from eval_fakes import Guesser, words

from node0.commands.eval.eval_tasks import ChosenTasks
from node0.commands.eval.suite_judge import SuiteJudge
from node0.commands.eval.tried_suite import TriedSuite, try_suite
from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Printed = pytest.CaptureFixture[str]
GATE = GateSettings(suites={"deacon": {"words": 0.5, "others": 0.5}})


@pytest.fixture
def bare(town_root: Path) -> ModelRegistry:
    """A town that knows dm:1 and nothing of what it does."""
    registry = ModelRegistry(Town(town_root))
    registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    return registry


def _tried(suite: str, town: Path, *, is_whole: bool = True, chance: float = 1.0) -> TriedSuite:
    chosen = ChosenTasks(suite, words(suite, count=20), is_whole=is_whole)
    return try_suite(
        chosen, Trying(epochs=1), Guesser(chance=lambda category: chance), output=None, town=town
    )


def _judge(town: Path, *, store: bool = True) -> SuiteJudge:
    return SuiteJudge(GATE, "deacon", spelled="dm:1", store=store, town=town)


@pytest.mark.parametrize("store", [True, False])
def test_all_that_was_tried_is_judged_together(
    store: bool, bare: ModelRegistry, town_root: Path, capsys: Printed
) -> None:
    judge = _judge(town_root, store=store)
    judge.report(_tried("others", town_root), None, rows=())
    judge.report(_tried("words", town_root), None, rows=())
    judge.tell(as_json=True)

    printed = capsys.readouterr()
    assert [row["category"] for row in json.loads(printed.out)] == ["words", "composite"]
    assert "the gate would let it pass" in printed.err
    assert len(bare.evaluations(bare.require("dm:1"))) == (2 if store else 0)


def test_a_suite_that_is_missing_or_failed_is_said(
    bare: ModelRegistry, town_root: Path, capsys: Printed
) -> None:
    judge = _judge(town_root)
    judge.report(_tried("words", town_root, chance=0.1), None, rows=())
    judge.tell(as_json=True)

    told = [line for line in capsys.readouterr().err.splitlines() if "would refuse" in line]
    assert "dm:1 has not done suite others" in told[0]
    assert "below deployment threshold 50.0%" in told[1]


def test_a_part_of_a_suite_is_neither_kept_nor_judged(
    bare: ModelRegistry, town_root: Path, capsys: Printed
) -> None:
    judge = _judge(town_root)
    judge.report(_tried("words", town_root, is_whole=False), None, rows=())
    judge.tell(as_json=True)

    told = capsys.readouterr().err
    assert "not kept with dm:1: a part of a suite" in told
    assert "the gate would" not in told
    assert not bare.evaluations(bare.require("dm:1"))
