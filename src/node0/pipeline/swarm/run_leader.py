# SPDX-License-Identifier: Apache-2.0
"""The leader of a run: a peer with the trainer's key, which finds the members that run.json names."""

import logging
from pathlib import Path
from typing import NamedTuple

from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.swarm.peer.membership import find_members
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.own_keys import run_validators
from node0.swarm.records.peer_metrics import make_validators
from node0.swarm.run.identity import make_identity, read_identity
from node0.swarm.run.run_file import authorizer_of, key_file
from node0.swarm.run.swarm_run import TRAINER, SwarmRun
from node0.swarm.transport.sockets import socket_directory

logger = logging.getLogger(__name__)


class Leader(NamedTuple):
    """A peer that may lead the stages of a run."""

    peer: Peer
    subkey: bytes
    "Under which its metrics lie in the DHT."


def start_leader(run: SwarmRun, directory: Path) -> Leader:
    """Join the DHT of a run with the trainer's key in its `directory`. Whoever is given the peer closes it.

    Raises:
        ConfigError: another process leads from here, or the run's addresses or authorizer cannot be used.
    """
    key, member = key_file(directory, TRAINER), run.trainer
    if not key.is_file():
        logger.warning("give stages --allow-peer %s: that is this trainer", make_identity(key).peer_id)
    settings = PeerSettings(
        socket_directory(directory, TRAINER),
        identity_path=key,
        host_maddrs=member.host_maddrs if member is not None else ("/ip4/127.0.0.1/tcp/0",),
        announce_maddrs=member.announce_maddrs if member is not None else (),
        initial_peers=run.seeds(but=member.peer_id if member is not None else None),
        allowed=allowed_members(run),
        authorizer=authorizer_of(run) if run.authorizer is not None else None,
    )
    identity = read_identity(key)
    validators, subkey = make_validators(
        run.run_id, identity.peer_id, TRAINER, private_key=identity.private_key
    )
    return Leader(Peer(settings, validators=[*validators, *run_validators(run.run_id)]), subkey)


def leader_settings(peer: Peer, run: SwarmRun, *, state_bytes: int) -> SwarmSettings:
    """Where the stages of a run are, and how long each may take; see `SwarmSettings`."""

    async def find() -> list[MemberSpec]:
        """The members of the run file, and others of the allow-list that announce themselves."""
        known = {
            member.peer_id: MemberSpec(
                member.peer_id,
                [str(address) for address in member.full_addresses],
                member.stage.index if member.stage is not None else None,
            )
            for member in run.members
            if member.name != TRAINER
        }
        for each in await find_members(peer, run_id=run.run_id, allowed=allowed_members(run)):
            stage = each.about.get("place")
            # What a peer says of itself may be anything; without a stage it is a spare.
            found = MemberSpec(each.peer_id, each.addresses, stage if type(stage) is int else None)
            if each.peer_id not in known or not known[each.peer_id].addresses:
                known[each.peer_id] = found
        return list(known.values())

    return SwarmSettings(
        run.num_stages,
        find,
        layers_per_stage=run.layers_per_stage,
        backup_every=run.backup_every,
        deadline=run.deadlines.microbatch,
        patience=run.deadlines.replace,
        state_bytes=state_bytes,
    )


def allowed_members(run: SwarmRun) -> frozenset[str] | None:
    """Who may open a stream. A run without members is found by its seeds, and its stages decide that."""
    return run.allowed if run.members else None
