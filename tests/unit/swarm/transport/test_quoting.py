# SPDX-License-Identifier: Apache-2.0
"""What a peer says cannot be taken for a line of this program's log."""

import pytest

from node0.swarm.transport.quoting import LONGEST, quoted


@pytest.mark.parametrize(
    "said",
    ["x\nTraining loss: 1.0", "x\r\x1b[2K", "x\u2028y", "x\u202ey", "x" * 10**6, 7, None, ["x\n"], "'\n\""],
)
def test_it_is_in_quotes_short_and_in_one_line(said: object) -> None:
    shown = quoted(said)

    assert shown[0] in "'\"" and shown[0] == shown[-1]
    assert shown.isprintable()
    assert len(shown) <= 10 * LONGEST


def test_a_plain_text_is_shown_as_it_is() -> None:
    assert quoted("no model yet; reset it first") == "'no model yet; reset it first'"
