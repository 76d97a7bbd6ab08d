# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.commands.infer.model_choice import ModelChoice, names_in


def test_names_stand_between_commas() -> None:
    assert names_in("a,, ./b ,c") == ("a", "./b", "c")
    assert names_in("") == ()


def test_a_choice_needs_a_name_alone() -> None:
    assert ModelChoice("deacon") == ModelChoice("deacon", town=None, adapters=(), role=None, device="auto")
    assert ModelChoice("deacon", town=Path("t")) != ModelChoice("deacon")
