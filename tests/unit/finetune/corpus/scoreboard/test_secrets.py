# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.secrets import SECRETS


@pytest.mark.parametrize("kind", SECRETS)
def test_the_region_holds_the_value_and_nothing_else_does(kind: str) -> None:
    for number in range(200):
        case = SECRETS[kind](Draw(f"{kind} {number}"))
        lines = case.value.splitlines()

        assert case.kind == kind
        assert all(line in case.region for line in lines if "literals" not in case.region)
        assert not any(line in case.before + case.after for line in lines)
        assert min(map(len, lines)) >= 16


def test_tokens_have_many_prefixes_and_names() -> None:
    cases = [SECRETS["tokens with a name"](Draw(str(number))) for number in range(400)]

    assert len({case.region.removesuffix(case.value) for case in cases}) > 20
    assert len({case.before for case in cases}) > 100
