# SPDX-License-Identifier: Apache-2.0
import pytest
from town_events import START

from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of


def test_times_are_utc() -> None:
    assert timestamp_of("2026-01-05T07:00:00+01:00") == START
    assert timestamp_of("2026-01-05T06:00:00") == START
    assert timestamp_of("x") is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_in_utc_is_none(text: str) -> None:
    assert timestamp_of(text) is None


def test_nothing_is_earlier_than_the_earliest() -> None:
    assert (timestamp_of("0001-01-01T00:00:01") or EARLIEST) > EARLIEST
