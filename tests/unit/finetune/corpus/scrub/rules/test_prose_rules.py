# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import SCRUBBER, VALUES, assert_only_the_value_goes
from told_sentences import PROSE


@pytest.mark.parametrize("line", PROSE)
@pytest.mark.parametrize("value", VALUES)
def test_what_a_line_hands_over_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    assert_only_the_value_goes(line, value)


@pytest.mark.parametrize(
    "before", ["passed at ", "passing ", "tests pass since ", "token renewed ", "code: ", "pwd "]
)
@pytest.mark.parametrize(
    "time",
    [
        "2026-01-05T06:17:00Z",
        "2026-01-05 06:17:00.351+02:00",
        "06:17:22.351Z",
        "6:17pm",
        "20260105T061700Z",
        "06:17",
    ],
)
def test_times_stay(before: str, time: str) -> None:
    assert SCRUBBER.scrub(f"{before}{time} and on") == (f"{before}{time} and on", [])
