# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.eval.sandbox.limits import SandboxLimits


def test_limits_are_kept_as_given() -> None:
    assert SandboxLimits(seconds=3, processes=5).processes == 5


@pytest.mark.parametrize("name", ["seconds", "memory", "processes", "output", "disk", "files"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SandboxLimits(**{name: 0})
