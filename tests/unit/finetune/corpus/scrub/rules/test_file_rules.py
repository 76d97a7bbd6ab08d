# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import FILES, VALUES, assert_only_the_value_goes


@pytest.mark.parametrize("line", FILES)
@pytest.mark.parametrize("value", VALUES)
def test_what_a_line_hands_over_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    assert_only_the_value_goes(line, value)
