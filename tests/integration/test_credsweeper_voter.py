# SPDX-License-Identifier: Apache-2.0
import importlib.util

import pytest

from node0.finetune.corpus.scrub.voters import make_voters

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not importlib.util.find_spec("credsweeper"), reason="needs the extra `scan`"),
    pytest.mark.filterwarnings("default"),
]


def test_credsweeper_votes_where_its_model_sees_a_secret() -> None:
    (voter,) = make_voters(["credsweeper"])

    assert voter.name.startswith("credsweeper 1.")
    assert voter.says_secret('password: "dolphinswim"', "dolphinswim")
    assert not voter.says_secret("the quick brown fox", "quick")
