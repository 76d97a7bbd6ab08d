# SPDX-License-Identifier: Apache-2.0
"""What is told of a request: a line in the log and counts in the metrics, never a word of its prompt."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node0.finetune.serving.engines.token_engine import Engine
from node0.finetune.serving.gateway import Answer

logger = logging.getLogger(__name__)

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_QUIET = ("/health", "/ready", "/metrics")
"Asked every few seconds by machines; counted, not logged."


@dataclass(slots=True)
class RequestReport:
    """What is known of one request when it ends."""

    route: str = "other"
    "As the server names it, not as the client wrote it."

    model: str = ""
    "Id of a served model."

    key: str = ""
    "Name of the key that asked."

    stream: bool = False
    leave: Callable[[int], None] | None = None
    "Gives back the key's place; told how many tokens were read and written."

    answers: list[Answer] = field(default_factory=list)

    @property
    def prompt_tokens(self) -> int:
        """Ids that engines were sent."""
        return sum(len(answer.prompt_ids) for answer in self.answers)

    @property
    def answer_tokens(self) -> int:
        """Ids that came back."""
        return sum(len(answer.tokens) for answer in self.answers)


def report_of(request: Request) -> RequestReport:
    """The report of the request that is being answered."""
    report: RequestReport = request.scope["state"]["report"]
    return report


class ServingMetrics:
    """Counters in Prometheus' format, of one server."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Waiting(engine))
        self._registry.register(_Figures(engine))
        self._requests = Counter(
            "node0_serve_requests", "Requests that ended.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "node0_serve_request_seconds",
            "From the request to the last byte of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "node0_serve_tokens",
            "Token ids sent to engines and got back.",
            ["model", "way"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self._registry)

    def count(self, report: RequestReport, *, status: int, seconds: float) -> None:
        """Add a request that ended."""
        self._requests.labels(report.route, str(status)).inc()
        self._seconds.labels(report.route).observe(seconds)
        if report.answers:
            self._tokens.labels(report.model, "prompt").inc(report.prompt_tokens)
            self._tokens.labels(report.model, "answer").inc(report.answer_tokens)


class ReportingMiddleware:
    """Gives each request a report, and tells it when the request has ended."""

    def __init__(self, app: ASGIApp, metrics: ServingMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        report, began, status = RequestReport(), time.perf_counter(), 499

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault("state", {})["report"] = report
        try:
            await self._app(scope, receive, noting)
        finally:
            if report.leave is not None:
                report.leave(report.prompt_tokens + report.answer_tokens)
            seconds = time.perf_counter() - began
            self._metrics.count(report, status=status, seconds=seconds)
            if report.route not in _QUIET:
                logger.info("%s", _line(report, status, seconds))


def _line(report: RequestReport, status: int, seconds: float) -> str:
    about = {
        "route": report.route,
        "model": report.model,
        "key": report.key,
        "status": status,
        "stream": report.stream,
        "prompt_tokens": report.prompt_tokens,
        "answer_tokens": report.answer_tokens,
        "endings": [answer.ending for answer in report.answers],
        "seconds": round(seconds, 3),
    }
    return json.dumps(about, separators=(",", ":"))


class _Waiting(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        metric = GaugeMetricFamily(
            "node0_serve_open_requests", "Requests that are computed or wait.", labels=["model"]
        )
        for name, count in self._engine.waiting().items():
            metric.add_metric([name], count)
        yield metric


_GAUGES = {
    "running": "Sequences that are computed together.",
    "waiting": "Sequences that wait for a place or for blocks.",
    "cache_blocks": "Blocks of keys and values that there are.",
    "cache_blocks_held": "Of these, those that running sequences hold.",
    "cache_bytes": "Bytes of all blocks.",
}
_COUNTERS = {
    "computed_ids": "Ids that passed the layers.",
    "reused_ids": "Ids of prompts that were found in the cache.",
    "guessed_ids": "Ids that were guessed ahead from the context.",
    "taken_ids": "Guessed ids that were right.",
    "preempted": "Sequences that gave up their blocks for older ones.",
}


class _Figures(Collector):
    """What each loaded base of our own engine holds, and did since it was loaded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        told = self._engine.figures()
        for kind, names in ((GaugeMetricFamily, _GAUGES), (CounterMetricFamily, _COUNTERS)):
            for name, help_text in names.items():
                metric = kind(f"node0_serve_{name}", help_text, labels=["base"])
                for base, figures in told.items():
                    metric.add_metric([base], getattr(figures, name))
                yield metric
