# SPDX-License-Identifier: Apache-2.0
"""`Node0Server`: a stage of a run on this machine, its peer, its host, its record in the DHT."""

from dataclasses import replace
from typing import Any

import torch

from node0.errors import ConfigError
from node0.server.host.hosted_stage import HostSpec
from node0.server.host.shard_store import ShardSettings, ShardStore
from node0.server.host.stage_host import StageHost
from node0.server.host.stage_spec import training_of
from node0.server.server_settings import ServerSettings
from node0.stage_settings import StageSettings
from node0.swarm.peer.membership import Announcer
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.own_keys import run_validators
from node0.swarm.records.peer_metrics import make_validators
from node0.swarm.run.identity import Identity, read_identity
from node0.swarm.run.swarm_run import TRAINER


class Node0Server:
    """Runs in the background from `create` to `shutdown`."""

    def __init__(self, peer: Peer, host: StageHost, announcer: Announcer) -> None:
        self.peer, self.host = peer, host
        self._announcer = announcer

    @classmethod
    def create(
        cls,
        settings: ServerSettings,
        peer: PeerSettings,
        *,
        finetune_config: StageSettings | None = None,
        authorizer: Any = None,
    ) -> "Node0Server":
        """Start a stage's peer and wait for a trainer.

        Args:
            settings: which stage of which run.
            peer: how its peer shows itself; it needs an identity that lasts.
            finetune_config: settings of the training: with `lora` only the adapter's matrices train.
                The stage is built at once; without, it is built as the trainer says.
            authorizer: hivemind's `AuthorizerBase` for the DHT, in place of the one in `peer`.

        Raises:
            ConfigError: an address, key or stage cannot be used.
            BadCheckpoint: the base cannot.
        """
        if peer.identity_path is None:
            raise ConfigError("a stage of a run needs its own key; give the path of an identity file")
        spec, identity = settings.host_spec(), read_identity(peer.identity_path)
        # Also what a stage only stores for the trainer is checked.
        validators, _ = make_validators(
            settings.run_id, identity.peer_id, TRAINER, private_key=identity.private_key
        )
        if authorizer is not None:
            peer = replace(peer, authorizer=authorizer)
        running = Peer(peer, validators=[*validators, *run_validators(settings.run_id)])
        try:
            host = _host(running, identity, settings, spec)
            if finetune_config is not None:
                _build(host, spec, finetune_config)
            announcer = Announcer(
                running, run_id=settings.run_id, key=identity.private_key, describe=host.describe
            )
        except BaseException:  # the peer's daemon ends with this start, whatever stopped it
            running.close()
            raise
        return cls(running, host, announcer)

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


def _host(peer: Peer, identity: Identity, settings: ServerSettings, spec: HostSpec) -> StageHost:
    shards = None
    if settings.checkpoint_dir is not None:
        kept = ShardSettings(settings.run_id, settings.checkpoint_dir, readers=settings.leaders)
        shards = ShardStore(peer, identity, kept)
    return StageHost(peer, spec, shards=shards)


def _build(host: StageHost, spec: HostSpec, config: StageSettings) -> None:
    """Make the stage at once, where it and its base are known."""
    if spec.base is not None and spec.place is not None:
        host.build(spec.place, training_of(config, base_digest=spec.base.digest, dtype=torch.float32))
