# SPDX-License-Identifier: Apache-2.0
import pytest

from node0 import errors, retry
from node0.utils import node_info


@pytest.mark.parametrize(
    ("name", "home"),
    [("RetriableError", errors), ("NonRetriableError", errors), ("call_with_retries", retry)],
)
def test_the_plans_names_are_the_real_ones(name: str, home: object) -> None:
    assert getattr(node_info, name) is getattr(home, name)
