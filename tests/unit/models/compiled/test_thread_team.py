# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.models.compiled.machine_code import torch_threads
from node0.models.compiled.processor import this_processor
from node0.models.compiled.thread_team import Team, single_calls

pytestmark = pytest.mark.skipif(
    this_processor() is None or torch_threads() is None, reason="nothing is compiled for this processor"
)


def test_a_team_lies_on_lines_of_its_own() -> None:
    teams = [Team() for _ in range(8)]

    assert all(team.address % 64 == 0 for team in teams)
    assert len({team.address for team in teams}) == 8


def test_single_calls_share_one_team() -> None:
    assert single_calls() is single_calls()
