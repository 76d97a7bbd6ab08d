# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scoreboard.credentials import CREDENTIALS, TABLES
from node0.finetune.corpus.scoreboard.draws import Draw


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_every_template_has_one_value_and_no_mark_is_left(kind: str) -> None:
    assert all(template.count("{v}") == 1 for template in TABLES[kind])
    for number in range(300):
        case = CREDENTIALS[kind](Draw(f"{kind} {number}"))

        assert case.value in case.region
        assert not any(mark in case.text for mark in ("{v}", "{u}", "{h}", "«", "»"))
