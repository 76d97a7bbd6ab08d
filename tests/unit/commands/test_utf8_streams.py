# SPDX-License-Identifier: Apache-2.0
import io
import sys

import pytest

from node0.commands.utf8_streams import use_utf8


def test_both_streams_are_utf8_and_bad_bytes_of_the_input_are_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xc3\xa9\xff\n"), encoding="latin-1"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))

    use_utf8()
    sys.stdout.write(sys.stdin.readline())
    sys.stdout.flush()

    assert written.getvalue().decode() == "é\N{REPLACEMENT CHARACTER}\n"


def test_a_closed_stream_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    use_utf8()

    assert sys.stdin is None
