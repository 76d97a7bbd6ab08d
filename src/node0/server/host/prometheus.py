# SPDX-License-Identifier: Apache-2.0
"""Serve a stage's counters to Prometheus on a loopback port."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node0.errors import ConfigError
from node0.server.host.stage_host import StageHost

_COUNTERS = {
    "microbatches": "Microbatches that passed forward.",
    "tokens": "Tokens in them.",
    "busy_seconds": "Seconds in which the stage computed.",
    "sent_bytes": "Bytes sent to other stages.",
}
_GAUGES = {
    "version": "Optimizer steps that were applied.",
    "peak_bytes": "Largest resident memory of the process.",
    "up_seconds": "Seconds since the start.",
}


class _StageCollector(Collector):
    def __init__(self, host: StageHost) -> None:
        self._host = host

    def collect(self) -> Iterator[Metric]:
        """All counters as they are now, labelled with the stage's name."""
        about = self._host.describe()
        for kinds, family in ((_COUNTERS, CounterMetricFamily), (_GAUGES, GaugeMetricFamily)):
            for name, text in kinds.items():
                metric = family(f"node0_stage_{name}", text, labels=["stage"])
                metric.add_metric([about["name"]], float(about[name] or 0))
                yield metric


def serve_metrics(host: StageHost, port: int) -> int:
    """Serve on a port, or on one that the system chooses for 0; the port.

    Raises:
        ConfigError: the port is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StageCollector(host))
    try:
        server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise ConfigError(
            f"cannot serve metrics on port {port}: {error.strerror}; give another --metrics-port, or 0"
        ) from None
    return int(server.server_port)
