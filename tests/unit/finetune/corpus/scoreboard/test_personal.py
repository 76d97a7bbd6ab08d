# SPDX-License-Identifier: Apache-2.0
import pytest
from stdnum import iban, luhn

from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.personal import PARTS, account, card, personal


@pytest.mark.parametrize("seed", range(50))
def test_cards_and_accounts_have_valid_check_digits(seed: int) -> None:
    _, number = card(Draw(str(seed)))
    assert luhn.is_valid(number.replace(" ", ""))

    _, number = account(Draw(str(seed)))
    assert iban.is_valid(number, check_country=False)


@pytest.mark.parametrize("part", PARTS)
def test_a_value_has_its_place_in_a_sentence(part: str) -> None:
    template, value = PARTS[part](Draw(part))

    assert template.count("{v}") == 1
    assert value


def test_every_sort_is_drawn() -> None:
    values = {personal(Draw(str(number))).before for number in range(400)}

    assert len(values) > 20
