# SPDX-License-Identifier: Apache-2.0
from itertools import chain
from typing import Any

import pytest

from node0.errors import EngineUnavailable
from node0.finetune.serving.sent_events import LARGEST_EVENT, SentEvents

STREAM = 'event: x\r\ndata: {"a": 1}\r\n\r\n: ping\n\ndata:{"b": "\u2028"}\n\ndata: 3\n\ndata: {"c": 2}'


def read(*pieces: str) -> list[dict[str, Any]]:
    events = SentEvents("the engine")
    return [event for piece in chain(pieces, ["\n"]) for event in events.read(piece)]


@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
def test_objects_are_the_same_however_the_stream_is_cut(size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]

    assert read(*pieces) == [{"a": 1}, {"b": "\u2028"}, {"c": 2}]


def test_nothing_is_looked_at_behind_the_word_that_ends_a_stream() -> None:
    events = SentEvents("the engine")

    assert list(events.read('data: {"a": 1}\n\n[DONE]\n')) == [{"a": 1}] and not events.done
    assert list(events.read("data: [DONE]\n\ndata: {torn\n")) == [] and events.done
    assert list(events.read("data: {torn\n" + "x" * LARGEST_EVENT)) == []


@pytest.mark.parametrize("data", ["{torn", "[" * 100_000])
def test_what_is_no_json_is_blamed_on_the_sender_after_what_was_whole(data: str) -> None:
    found = SentEvents("the engine").read(f'data: {{"a": 1}}\n\ndata: {data}\n\n')

    assert next(found) == {"a": 1}
    with pytest.raises(EngineUnavailable, match="the engine sent an event that is no JSON; see its log"):
        next(found)


def test_a_line_is_read_up_to_a_bound() -> None:
    assert read("x" * LARGEST_EVENT) == []
    with pytest.raises(EngineUnavailable, match="the engine sent an event without an end; see its log"):
        read("x" * LARGEST_EVENT, "x")
