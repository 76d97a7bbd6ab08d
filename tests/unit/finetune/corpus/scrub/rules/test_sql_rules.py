# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import SQL

from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"))


@pytest.mark.parametrize("line", SQL)
@pytest.mark.parametrize("value", ["Tr0ub4dor_3x", "kX9vLq27mW", "hunter2024"])
def test_what_a_line_hands_over_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    text = f"first look\n{line.replace('{}', value)}\nand go on with it"

    scrubbed, _ = SCRUBBER.scrub(text)

    assert value not in scrubbed
    assert scrubbed.startswith("first look\n")
    assert scrubbed.endswith("\nand go on with it")
    assert SCRUBBER.scrub(scrubbed)[0] == scrubbed
