# SPDX-License-Identifier: Apache-2.0
"""Operations of a hosted stage by the kind of a client's frame, run on the compute thread.

A trainer's step: `begin`, then frames, then `prepare` and `apply`; or `abort`, which also goes back to
the version before. Its state: `reset`, `state`, `load`, and `shard` for a checkpoint. A generator: `open`,
`close`.
"""

from collections.abc import Callable

from node0.errors import ConfigError, RetriableError
from node0.models.stage_name import StageName
from node0.server.host.client import Client
from node0.server.host.hosted_stage import HostedStage
from node0.server.host.stage_spec import StagePlace, StageTraining
from node0.server.host.worker import Attempt, Neighbours
from node0.server.stage.gradient_sums import Share
from node0.server.stage.shard_file import ShardFacts, from_state
from node0.server.stage.state_file import StateReader, state_digest
from node0.swarm.transport.frames import Frame

Operation = Callable[[HostedStage, Frame, Client], Frame]


def hello(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Say who this is; with `lead` the client becomes the leader, and an earlier one leads no more."""
    stage.join(client, frame["client"], leads=bool(frame.fields.get("lead")))
    return Frame("reply", stage.describe())


def reset(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Fresh trained weights, as the trainer describes them; a spare is given its place."""
    stage.require_leader(client)
    executor = stage.build(_place(stage, frame), StageTraining(**frame["training"]))
    return Frame("reply", {"names": executor.trained.names, "version": executor.trained.version})


def neighbours(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Learn which other members there are, and where they are dialled."""
    stage.require_leader(client)
    stage.links.set_addresses(frame["addresses"])
    return Frame("reply")


def begin(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Take part in one attempt at a step. The version before it may be forgotten."""
    stage.require_leader(client)
    executor, worker = stage.working()
    if executor.trained.version != frame["version"]:
        raise RetriableError(
            f"{stage.spec.name} is at version {executor.trained.version}, the trainer at {frame['version']}"
        )
    executor.trained.discard_snapshot()
    attempt = Attempt(
        token=frame["attempt"],
        step=frame["step"],
        seed=frame["seed"],
        loss=frame["loss"],
        neighbours=Neighbours(tuple(frame["below"]), tuple(frame["above"])),
    )
    worker.begin(attempt, Share(frame["first"], frame["stride"]))
    return Frame("reply")


def prepare(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Norm and finiteness of the sums."""
    stage.require_leader(client)
    _, worker = stage.working()
    return Frame("reply", worker.prepare(frame["attempt"], frame["expected"]))


def sums(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """The sums of this replica, or, with tensors, what they become: those of all replicas."""
    stage.require_leader(client)
    gradients = stage.working()[0].trained.gradients
    if not frame.tensors:
        return Frame("reply", {}, gradients.export())
    gradients.replace(frame.tensors)
    return Frame("reply")


def tied(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """The gradient of this stage's copy of a tied table, or, with a tensor, what it becomes."""
    stage.require_leader(client)
    gradients = stage.working()[0].trained.gradients
    if frame.tensors:
        gradients.replace_tied(frame.tensors[0], counted=frame["counted"])
        return Frame("reply")
    found = gradients.tied()
    return Frame("reply", {}, [] if found is None else [found])


def apply(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Make the step that was prepared, and keep the version before it until the next step begins."""
    stage.require_leader(client)
    executor, worker = stage.working()
    worker.require(frame["attempt"])
    executor.trained.apply(frame["version"], lr=frame["lr"], scale=frame["scale"])
    return Frame("reply", {"version": executor.trained.version})


def abort(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Leave the attempt that runs; with `version`, be at that version again."""
    stage.require_leader(client)
    if stage.worker is None or stage.executor is None:
        return Frame("reply", {"version": None})
    stage.worker.abort()
    trained = stage.executor.trained
    if frame.fields.get("version") is not None:
        trained.rollback(frame["version"])
    return Frame("reply", {"version": trained.version})


def state(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Trained weights and optimizer state, as the bytes of a state file, for a peer that may train."""
    stage.require_trainer(client)
    trained = stage.working()[0].trained
    data = trained.state_bytes()
    return Frame("reply", {"version": trained.version, "sha256": state_digest(data)}, (), data)


def load(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Take trained weights and optimizer state from such bytes."""
    stage.require_leader(client)
    if state_digest(frame.blob) != frame["sha256"]:
        raise RetriableError("the state's digest is wrong; send it again")
    executor, worker = stage.working()
    worker.abort()
    with StateReader(frame.blob) as reader:
        executor.trained.load(reader)
    return Frame("reply", {"version": executor.trained.version})


def shard(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Write this stage's part of a checkpoint, announce it, and serve it."""
    stage.require_leader(client)
    trained = stage.working()[0].trained
    place, training = stage.place, stage.training
    if stage.shards is None or place is None or training is None:
        raise ConfigError(f"{stage.spec.name} has no directory for checkpoints; start it with one")
    if trained.version != frame["version"]:
        raise RetriableError(f"{stage.spec.name} is at version {trained.version}, not {frame['version']}")
    facts = ShardFacts(
        stage=str(StageName.of(place.index, place.num_stages)),
        step=frame["step"],
        version=trained.version,
        num_stages=place.num_stages,
        base_digest=training.base_digest,
        lora=training.lora,
        progress=frame.blob.decode() if frame.blob else None,
    )
    held = stage.shards.save(facts, from_state(trained.tensors()))
    return Frame("reply", {"stage": facts.stage, "sha256": held.sha256, "bytes": held.bytes})


def open_session(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Make room for a sequence that is generated."""
    if stage.decoder is None:
        raise RetriableError(f"{stage.spec.name} has no model yet; wait for its trainer")
    stage.decoder.open(frame, client.report)
    return Frame("reply")


def close_session(stage: HostedStage, frame: Frame, client: Client) -> Frame:
    """Free a sequence."""
    if stage.decoder is not None:
        stage.decoder.close(frame["session"])
    return Frame("reply")


OPERATIONS: dict[str, Operation] = {
    "hello": hello,
    "reset": reset,
    "neighbours": neighbours,
    "begin": begin,
    "prepare": prepare,
    "sums": sums,
    "tied": tied,
    "apply": apply,
    "abort": abort,
    "state": state,
    "load": load,
    "shard": shard,
    "open": open_session,
    "close": close_session,
}


def _place(stage: HostedStage, frame: Frame) -> StagePlace:
    """The place that a `reset` gives; without one, that which the stage has."""
    given, own = frame.fields.get("place"), stage.spec.place
    place = None
    if given is not None:
        layers = given["layers_per_stage"]
        place = StagePlace(given["index"], given["num_stages"], tuple(layers) if layers else None)
    if own is not None and place not in (None, own):
        raise ConfigError(
            f"{stage.spec.name} holds stage {own.index} of {own.num_stages}; start another host"
        )
    place = place or stage.place
    if place is None:
        raise ConfigError(f"{stage.spec.name} has no place in the model yet; the trainer must give one")
    return place
