# SPDX-License-Identifier: Apache-2.0
import sys
from typing import Any

import pytest

from node0.finetune.corpus.transcript.wire_messages import as_blocks, held

BLOCK = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a", [BLOCK]),
        ([BLOCK, "stray", None, BLOCK], [BLOCK, BLOCK]),
        ([], []),
        (None, []),
        (7, []),
        ({}, []),
    ],
)
def test_content_of_any_form_is_blocks(content: Any, expected: list[Any]) -> None:
    assert as_blocks(content) == expected


def test_memory_is_that_of_all_strings_at_whatever_depth() -> None:
    wide = "🏭" * 1000

    assert held({"content": [{"text": wide}, 7, None, [wide]]}) == 2 * sys.getsizeof(wide)
    assert held(wide) > 4000
    assert held(7) == 0
