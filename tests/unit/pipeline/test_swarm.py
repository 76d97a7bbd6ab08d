# SPDX-License-Identifier: Apache-2.0
"""What fails again and again is given up; what fails now and then is not."""

import pytest

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.swarm import FEWEST_TRIES, Tries

FAULT = RetriableError("stage 1 is lost")


def test_a_thing_is_given_up_when_its_time_is_over() -> None:
    tries = Tries(-1.0)
    for _ in range(FEWEST_TRIES - 1):
        tries.failed(FAULT)

    with pytest.raises(SwarmTimeout, match="given up after 3 tries in 0 s: stage 1 is lost"):
        tries.failed(FAULT)


def test_any_number_of_losses_is_survived_in_time() -> None:
    tries = Tries(60.0)
    for _ in range(100):
        tries.failed(FAULT)
