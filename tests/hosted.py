# SPDX-License-Identifier: Apache-2.0
"""A hosted stage without a network: what it pushes and reports is kept."""

from typing import Any

from node0.models.base_model import fresh_digest
from node0.models.llama.arguments import LlamaArguments
from node0.server.host.hosted_stage import HostedStage, HostSpec
from node0.server.host.stage_spec import StagePlace, StageTraining
from node0.swarm.transport.frames import Frame

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=3, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
TRAINING = StageTraining(
    fresh_digest(ARGS, 1), seed=1, lora={"rank": 2, "dropout": 0.0}, fresh=ARGS.model_dump()
)


class FakeLinks:
    """Where a stage pushes frames."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, Frame]] = []
        self.addresses: dict[str, Any] = {}

    def push(self, remote: str, frame: Frame) -> None:
        """Keep it."""
        self.pushed.append((remote, frame))

    def set_addresses(self, addresses: dict[str, Any]) -> None:
        """Keep them."""
        self.addresses = addresses


class FakeClient:
    """A client, and what it was told."""

    def __init__(self, remote: str = "trainer") -> None:
        self.stream = self
        self.remote = remote
        self.reports: list[Frame] = []

    def report(self, frame: Frame) -> None:
        """Keep it."""
        self.reports.append(frame)


def hosted(place: StagePlace | None = None, **spec: Any) -> Any:
    """A stage at `place`, without a model yet."""
    links: Any = FakeLinks()
    return HostedStage(HostSpec("stage", place, None, **spec), links, describe=lambda: {"name": "stage"})
