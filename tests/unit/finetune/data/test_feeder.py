# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Iterator

import pytest
import torch
from torch.utils.data import DataLoader

from node0.finetune.data.feeder import Batch, DataFeeder


def _batches(count: int) -> "DataLoader[Batch]":
    rows = [{"input_ids": torch.tensor([number]), "labels": torch.tensor([-100])} for number in range(count)]
    return DataLoader(rows, batch_size=1)  # type: ignore[arg-type]  # a list is a data set


class Endless:
    """Counts the batches that were made."""

    def __init__(self) -> None:
        self.made = 0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            self.made += 1
            yield {"number": self.made}


def test_every_batch_comes_once_and_in_order_and_then_none() -> None:
    feeder = DataFeeder(_batches(5), ahead=2)
    feeder.start()

    ids = [int(batch["input_ids"]) for batch in iter(feeder.get_batch, None)]

    assert ids == [0, 1, 2, 3, 4]
    assert feeder.get_batch() is None
    feeder.join(timeout=5)
    assert not feeder.is_alive()


def test_no_more_batches_are_made_ahead_than_allowed() -> None:
    source = Endless()
    feeder = DataFeeder(source, ahead=3)
    feeder.start()

    taken = [feeder.get_batch() for _ in range(4)]
    feeder.stop()

    assert taken == [{"number": number} for number in (1, 2, 3, 4)]
    # Those ahead, and the one that waited for room.
    assert 4 <= source.made <= 4 + 3 + 1


def test_stopping_ends_the_thread_and_what_was_made_is_dropped() -> None:
    feeder = DataFeeder(Endless())
    feeder.start()
    assert feeder.get_batch() is not None

    feeder.stop()

    assert not feeder.is_alive()
    assert feeder.get_batch() is None
    assert "data-feeder" not in [thread.name for thread in threading.enumerate()]


def test_stopping_wakes_whoever_waits_for_a_batch() -> None:
    gate = threading.Event()

    def blocked() -> Iterator[Batch]:
        gate.wait(5)
        yield {}

    feeder, answers = DataFeeder(blocked()), []
    feeder.start()
    waiting = threading.Thread(target=lambda: answers.append(feeder.get_batch()))
    waiting.start()
    stopping = threading.Thread(target=feeder.stop)
    stopping.start()
    waiting.join(timeout=5)

    assert answers == [None]
    gate.set()
    stopping.join(timeout=5)
    assert not feeder.is_alive()


def test_an_error_of_the_loader_is_raised_behind_the_batches_before_it() -> None:
    def failing() -> Iterator[Batch]:
        yield {"number": 1}
        raise OSError("the disk is gone")

    feeder = DataFeeder(failing())
    feeder.start()

    assert feeder.get_batch() == {"number": 1}
    with pytest.raises(OSError, match="the disk is gone"):
        feeder.get_batch()


def test_a_feeder_that_was_not_started_says_so_instead_of_waiting() -> None:
    with pytest.raises(RuntimeError, match=r"call start\(\) first"):
        DataFeeder(_batches(1)).get_batch()
