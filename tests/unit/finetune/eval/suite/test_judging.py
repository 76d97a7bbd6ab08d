# SPDX-License-Identifier: Apache-2.0
from typing import Literal

import pytest
from pydantic import ValidationError

from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check


class _Polite(Check):
    check: Literal["polite"] = "polite"

    def judge(self, evidence: Evidence) -> CheckOutcome:
        return self.held("please" in evidence.words, "it asked", "it ordered")


def test_a_check_answers_with_its_name_and_a_reason() -> None:
    asked = _Polite().judge(Evidence("crew", [[{"type": "text", "text": "please"}]]))
    ordered = _Polite().judge(Evidence("crew", []))

    assert asked == CheckOutcome(check="polite", passed=True, reason="it asked")
    assert ordered == CheckOutcome(check="polite", passed=False, reason="it ordered")


def test_a_field_that_a_check_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError):
        _Polite.model_validate({"check": "polite", "very": True})
