# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import TypeAdapter, ValidationError

from node0.finetune.eval.suite.checks.table import AnyCheck
from node0.finetune.eval.suite.judging import Check

TABLE: TypeAdapter[Check] = TypeAdapter(AnyCheck)


def test_a_check_is_found_by_its_name() -> None:
    assert type(TABLE.validate_python({"check": "says", "all": ["x"]})).__name__ == "Says"


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match="says"):
        TABLE.validate_python({"check": "magic"})
