# SPDX-License-Identifier: Apache-2.0
from typing import Any
from urllib.request import urlopen

import pytest

from node0.errors import ConfigError
from node0.server.host.prometheus import serve_metrics


class Host:
    """A host that says this of itself."""

    def describe(self) -> dict[str, Any]:
        """Counters; without a model there is no version."""
        counters = {"microbatches": 3, "tokens": 96, "busy_seconds": 0.5, "sent_bytes": 7}
        return {"name": "head-0", "version": None, "peak_bytes": 1024, "up_seconds": 2.0, **counters}


def test_counters_are_served_with_the_stages_name_and_a_port_is_served_once() -> None:
    host: Any = Host()
    port = serve_metrics(host, 0)

    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()

    assert 'node0_stage_tokens_total{stage="head-0"} 96.0' in lines
    assert 'node0_stage_version{stage="head-0"} 0.0' in lines
    with pytest.raises(ConfigError, match="give another --metrics-port"):
        serve_metrics(host, port)
