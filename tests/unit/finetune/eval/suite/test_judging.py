# SPDX-License-Identifier: Apache-2.0
from typing import Literal

import pytest
from pydantic import ValidationError

from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check, CheckResult


class _Polite(Check):
    check: Literal["polite"] = "polite"

    def judge(self, evidence: Evidence) -> CheckResult:
        return self.held("please" in evidence.words, "it asked", "it ordered")


def test_a_check_answers_with_its_name_and_a_reason() -> None:
    assert _Polite().judge(Evidence("crew", [[{"type": "text", "text": "please"}]])) == CheckResult(
        "polite", True, "it asked"
    )
    assert _Polite().judge(Evidence("crew", [])) == CheckResult("polite", False, "it ordered")


def test_a_field_that_a_check_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError):
        _Polite.model_validate({"check": "polite", "very": True})
