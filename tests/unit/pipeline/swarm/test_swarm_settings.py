# SPDX-License-Identifier: Apache-2.0
import pytest
from unit.pipeline.swarm.fake_hosts import settings

from node0.swarm.transport.stream import SLOWEST


@pytest.mark.parametrize(("state_bytes", "seconds"), [(0, 60.0), (SLOWEST, 61.0), (10 * SLOWEST, 70.0)])
def test_what_is_as_large_as_a_state_may_take_longer(state_bytes: int, seconds: float) -> None:
    assert settings(deadline=60.0, state_bytes=state_bytes).transfer == seconds
