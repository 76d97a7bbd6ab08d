# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import PROSE

from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"))


@pytest.mark.parametrize("line", PROSE)
@pytest.mark.parametrize("value", ["Tr0ub4dor_3x", "kX9vLq27mW", "hunter2024"])
def test_what_a_line_hands_over_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    text = f"first look\n{line.replace('{}', value)}\nand go on with it"

    scrubbed, _ = SCRUBBER.scrub(text)

    assert value not in scrubbed
    assert scrubbed.startswith("first look\n")
    assert scrubbed.endswith("\nand go on with it")
    assert SCRUBBER.scrub(scrubbed)[0] == scrubbed


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
