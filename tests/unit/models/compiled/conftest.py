# SPDX-License-Identifier: Apache-2.0
import pytest
from llvmlite import binding


@pytest.fixture(scope="module", params=["host", "without avx512"])
def features(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Name and features of this processor, and of a lesser one that it can stand for."""
    host = dict(binding.get_host_cpu_features())
    if request.param == "host":
        return binding.get_host_cpu_name(), host
    return "x86-64-v3", {name: known and not name.startswith("avx512") for name, known in host.items()}
