# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.finetune.training.plan.run_plan import make_plan, warnings


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_corpus(tmp_path / "corpus")
    make_base(tmp_path)
    return tmp_path


def test_a_run_that_ends_in_its_warm_up_is_doubted(place: Path) -> None:
    (line,) = warnings(make_plan(configure(place, max_steps=2, num_warmup_steps=2)))

    assert line.startswith("the run ends in its warm-up: 2 steps, and lr reaches 0.01 after 2; lower")


def test_a_run_that_holds_nothing_out_is_doubted_unless_it_was_told_to(place: Path) -> None:
    (line,) = warnings(make_plan(configure(place, val_split=1e-9)))

    assert line.startswith("no session was held out at val_split 1e-09")
    assert warnings(make_plan(configure(place, val_split=0.0))) == []


def test_a_usual_run_raises_no_doubt(place: Path) -> None:
    assert warnings(make_plan(configure(place))) == []
