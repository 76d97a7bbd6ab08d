# SPDX-License-Identifier: Apache-2.0
"""A stage of a run on this machine: its peer, its host, and its record in the DHT."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from node0.errors import ConfigError
from node0.models.base_model import BaseModelDir, resolve_base
from node0.models.stage_name import StageName
from node0.server.host.compute import Priority
from node0.server.host.operations import build
from node0.server.host.shard_store import ShardSettings, ShardStore
from node0.server.host.stage_host import HostSpec, StageHost
from node0.server.host.stage_spec import StagePlace, training_of
from node0.stage_settings import StageSettings
from node0.swarm.peer.membership import Announcer
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.members import MembersValidator
from node0.swarm.records.metrics import make_validators
from node0.swarm.run.identity import read_identity
from node0.swarm.run.swarm_run import TRAINER
from node0.swarm.transport.codec import Codec

logger = logging.getLogger(__name__)


class Node0Server:
    """Runs in the background from `create` to `shutdown`."""

    def __init__(self, peer: Peer, host: StageHost, announcer: Announcer) -> None:
        self.peer, self.host = peer, host
        self._announcer = announcer

    @classmethod
    def create(  # noqa: PLR0913  # what the plan lists
        cls,
        *,
        stage: str | None,
        num_stages: int,
        run_id: str,
        identity_path: Path,
        socket_dir: Path,
        name: str | None = None,
        layers_per_stage: Sequence[int] | None = None,
        base_model: str | None = None,
        base_revision: str | None = None,
        base_digest: str | None = None,
        finetune_config: StageSettings | None = None,
        authorizer: Any = None,
        initial_peers: Sequence[str] = (),
        host_maddrs: Sequence[str] = ("/ip4/127.0.0.1/tcp/0",),
        announce_maddrs: Sequence[str] = (),
        allow_peers: frozenset[str] | None = None,
        leaders: frozenset[str] | None = None,
        wire: Codec = "float32",
        deadline: float = 60.0,
        device: str = "cpu",
        checkpoint_dir: Path | None = None,
        bead_id: str | None = None,
    ) -> "Node0Server":
        """Start a stage's peer and wait for a trainer.

        Args:
            stage: `head-0`, `body-1`, ..., or None for a spare, which a trainer gives its place.
            num_stages: stages of the whole model.
            run_id: name of the run; peers of another one are not seen.
            identity_path: key file that makes this peer itself.
            socket_dir: a directory for its sockets alone.
            name: in logs and tables; default: the stage.
            layers_per_stage: layers of each stage; None balances FLOPs.
            base_model: directory or hub id; only this stage's tensors are read. None where the trainer
                describes a model that starts from random weights.
            base_revision: commit of the hub id.
            base_digest: identity that the base must have.
            finetune_config: settings of the training: with `lora` only the adapter's matrices train.
                The stage is built at once; without, it is built as the trainer says.
            authorizer: hivemind's `AuthorizerBase` for the DHT.
            initial_peers: full addresses of peers of the run.
            host_maddrs: where this peer listens.
            announce_maddrs: how others reach it, where that differs.
            allow_peers: peer ids that may talk to it; None lets everybody in.
            leaders: those of them that may train it; None lets all of them.
            wire: type of hidden states and their gradients between machines.
            deadline: seconds that a frame may take to a neighbour.
            device: where tensors live.
            checkpoint_dir: where this host keeps its shards of checkpoints; None keeps none.
            bead_id: the bead that asked for the run, for whoever asks this peer.

        Raises:
            ConfigError: an address, key or stage cannot be used.
            BadCheckpoint: the base cannot.
        """
        place = None
        if stage is not None:
            index = StageName.parse(stage, num_stages=num_stages).index
            place = StagePlace(index, num_stages, tuple(layers_per_stage) if layers_per_stage else None)
        base = _base(base_model, base_revision, base_digest) if base_model is not None else None
        identity = read_identity(identity_path)
        settings = PeerSettings(
            socket_dir,
            identity_path=identity_path,
            host_maddrs=host_maddrs,
            announce_maddrs=announce_maddrs,
            initial_peers=initial_peers,
            allowed=allow_peers,
            authorizer=authorizer,
        )
        spec = HostSpec(
            name or stage or "spare",
            place,
            base,
            device=device,
            codec=wire,
            deadline=deadline,
            bead_id=bead_id,
            leaders=leaders,
        )
        # Also what a stage only stores for the trainer is checked.
        validators, _ = make_validators(run_id, identity.peer_id, TRAINER, private_key=identity.private_key)
        peer = Peer(settings, validators=[*validators, MembersValidator(run_id)])
        try:
            shards = None
            if checkpoint_dir is not None:
                shards = ShardStore(peer, identity, ShardSettings(run_id, checkpoint_dir))
            host = StageHost(peer, spec, shards=shards)
            if finetune_config is not None and base is not None and place is not None:
                training = training_of(finetune_config, base_digest=base.digest, dtype=torch.float32)
                host.compute.submit(Priority.CONTROL, lambda: build(host, place, training)).result()
            announcer = Announcer(peer, run_id=run_id, key=identity.private_key, describe=host.describe)
        except BaseException:
            peer.close()
            raise
        return cls(peer, host, announcer)

    @property
    def addresses(self) -> list[str]:
        """Full addresses by which other peers join."""
        return self.peer.addresses

    def shutdown(self) -> None:
        """Leave the run and free everything."""
        self._announcer.close()
        try:
            self.host.close()
        finally:
            self.peer.close()


def _base(name: str, revision: str | None, digest: str | None) -> BaseModelDir:
    base = resolve_base(name, revision)
    if digest is not None and base.digest != digest:
        raise ConfigError(
            f"base {name} has digest {base.digest[:12]} and the run is made for {digest[:12]}; "
            "copy it from a machine where it is right"
        )
    return base
