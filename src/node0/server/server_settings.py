# SPDX-License-Identifier: Apache-2.0
"""Settings of a stage server: which stage of which run it holds, from which base, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.models.base_model import BaseModelDir, resolve_base
from node0.models.stage_name import StageName
from node0.server.host.hosted_stage import HostSpec
from node0.server.host.stage_spec import StagePlace
from node0.swarm.transport.codec import Codec


@dataclass(frozen=True, slots=True)
class WantedBase:
    """A base by its name, and what it must be."""

    name: str
    "Directory or hub id."

    revision: str | None = None
    "Commit of the hub id."

    digest: str | None = None
    "Identity that the base must have; None takes any."

    def resolve(self) -> BaseModelDir:
        """Find it, or fetch it.

        Raises:
            ConfigError: it is another one.
            BadCheckpoint: it cannot be used.
        """
        base = resolve_base(self.name, self.revision)
        if self.digest is not None and base.digest != self.digest:
            raise ConfigError(
                f"base {self.name} has digest {base.digest[:12]} and the run is made for {self.digest[:12]}; "
                "copy it from a machine where it is right"
            )
        return base


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One stage of a run on this machine; what its peer is told is in `PeerSettings`."""

    run_id: str
    "Name of the run; peers of another one are not seen."

    stage: str | None
    "`head-0`, `body-1`, ..., or None for a spare, which a trainer gives its place."

    num_stages: int
    "Stages of the whole model."

    layers_per_stage: Sequence[int] | None = None
    "Layers of each stage; None balances FLOPs."

    name: str | None = None
    "In logs and tables; None takes the stage."

    base: WantedBase | None = None
    "Only this stage's tensors are read. None where the trainer describes a model of random weights."

    leaders: frozenset[str] | None = None
    "Peer ids that may train this stage; None lets all who may talk to it."

    wire: Codec = "float32"
    "Type of hidden states and their gradients between machines."

    deadline: float = 60.0
    "Seconds that a frame may take to a neighbour."

    device: str = "cpu"
    "Where tensors live."

    checkpoint_dir: Path | None = None
    "Where this host keeps its shards of checkpoints; None keeps none."

    bead_id: str | None = None
    "The bead that asked for the run, for whoever asks this peer."

    def host_spec(self) -> HostSpec:
        """What the stage's host is told. Its base is found here.

        Raises:
            ConfigError: the stage is none of this model, or the base is another one.
            BadCheckpoint: the base cannot be used.
        """
        return HostSpec(
            self.name or self.stage or "spare",
            self._place(),
            self.base.resolve() if self.base is not None else None,
            device=self.device,
            codec=self.wire,
            deadline=self.deadline,
            bead_id=self.bead_id,
            leaders=self.leaders,
        )

    def _place(self) -> StagePlace | None:
        if self.stage is None:
            return None
        index = StageName.parse(self.stage, num_stages=self.num_stages).index
        layers = tuple(self.layers_per_stage) if self.layers_per_stage else None
        return StagePlace(index, self.num_stages, layers)
