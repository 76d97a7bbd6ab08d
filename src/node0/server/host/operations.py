# SPDX-License-Identifier: Apache-2.0
"""What a client may ask of a stage host, by the kind of its frame. Each runs on the compute thread.

A trainer's step: `begin`, then frames, then `prepare` and `apply`; or `abort`, which also goes back to
the version before. Its state: `reset`, `state`, `load`, and `shard` for a checkpoint. A generator: `open`,
`close`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from node0.errors import ConfigError, RetriableError
from node0.models.stage_name import StageName
from node0.server.host.decoding import Decoder
from node0.server.host.stage_spec import StagePlace, StageTraining, make_executor
from node0.server.host.worker import Attempt, Neighbours, StageWorker
from node0.server.module_collab import ModuleCollab
from node0.server.stage.gradient_sums import Share
from node0.server.stage.shard_file import ShardFacts, from_state
from node0.server.stage.state_file import StateReader, state_digest
from node0.swarm.transport.frames import Frame

if TYPE_CHECKING:
    from node0.server.host.client import Client
    from node0.server.host.stage_host import StageHost

Operation = Callable[["StageHost", Frame, "Client"], Frame]

_ANOTHER = "another trainer leads this run now; stop one of the two"

_ROOM = 256 << 20
"Bytes of activations that one frame may bring."


def hello(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Say who this is; with `lead` the client becomes the leader, and an earlier one leads no more."""
    leads, leaders = bool(frame.fields.get("lead")), host.spec.leaders
    if leads and leaders is not None and client.stream.remote not in leaders:
        raise ConfigError(
            f"peer {client.stream.remote} may not train here; use the run's trainer key, "
            "or start the stages with --allow-peer"
        )
    others = {name: other for name, other in host.state.clients.items() if other is not client}
    host.state.clients = {**others, frame["client"]: client}
    if leads:
        if host.state.worker is not None:
            host.state.worker.abort()
        former, host.state.leader = host.state.leader, client
        if former is not None and former is not client:
            former.report(Frame("failed", {"text": _ANOTHER, "retriable": False}))
    return Frame("reply", host.describe())


def reset(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Fresh trained weights, as the trainer describes them; a spare is given its place."""
    _lead(host, client)
    place = frame.fields.get("place")
    if place is not None:
        layers = place["layers_per_stage"]
        place = StagePlace(place["index"], place["num_stages"], tuple(layers) if layers else None)
    state, own = host.state, host.spec.place
    if own is not None and place not in (None, own):
        raise ConfigError(f"{host.spec.name} holds stage {own.index} of {own.num_stages}; start another host")
    state.place = place or state.place
    if state.place is None:
        raise ConfigError(f"{host.spec.name} has no place in the model yet; the trainer must give one")
    executor = build(host, state.place, StageTraining(**frame["training"]))
    return Frame("reply", {"names": executor.trained.names, "version": executor.trained.version})


def build(host: "StageHost", place: StagePlace, training: StageTraining) -> ModuleCollab:
    """Make the stage, with what works on it; what was here before is gone first."""
    state = host.state
    state.training = training
    state.executor = state.worker = state.decoder = None
    executor = state.executor = make_executor(place, training, host.spec.base, device=host.spec.device)
    # Weights and two moments of all of them, in float32, are the largest thing that is sent.
    state.max_payload = _ROOM + 16 * sum(weight.numel() for weight in executor.stage.parameters())
    state.worker = StageWorker(executor, push=host.links.push, report=lambda found: _report(host, found))
    state.decoder = Decoder(executor, push=host.links.push, budget=host.spec.cache_budget)
    return executor


def neighbours(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Learn which other members there are, and where they are dialled."""
    _lead(host, client)
    host.links.set_addresses(frame["addresses"])
    return Frame("reply")


def begin(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Take part in one attempt at a step. The version before it may be forgotten."""
    _lead(host, client)
    executor, worker = _working(host)
    if executor.trained.version != frame["version"]:
        raise RetriableError(
            f"{host.spec.name} is at version {executor.trained.version}, the trainer at {frame['version']}"
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


def prepare(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Norm and finiteness of the sums."""
    _lead(host, client)
    _, worker = _working(host)
    return Frame("reply", worker.prepare(frame["attempt"], frame["expected"]))


def sums(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """The sums of this replica, or, with tensors, what they become: those of all replicas."""
    _lead(host, client)
    gradients = _working(host)[0].trained.gradients
    if not frame.tensors:
        return Frame("reply", {}, gradients.export())
    gradients.replace(frame.tensors)
    return Frame("reply")


def tied(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """The gradient of this stage's copy of a tied table, or, with a tensor, what it becomes."""
    _lead(host, client)
    gradients = _working(host)[0].trained.gradients
    if frame.tensors:
        gradients.replace_tied(frame.tensors[0], counted=frame["counted"])
        return Frame("reply")
    found = gradients.tied()
    return Frame("reply", {}, [] if found is None else [found])


def apply(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Make the step that was prepared, and keep the version before it until the next step begins."""
    _lead(host, client)
    executor, worker = _working(host)
    worker.require(frame["attempt"])
    executor.trained.apply(frame["version"], lr=frame["lr"], scale=frame["scale"])
    return Frame("reply", {"version": executor.trained.version})


def abort(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Leave the attempt that runs; with `version`, be at that version again."""
    _lead(host, client)
    if host.state.worker is None or host.state.executor is None:
        return Frame("reply", {"version": None})
    host.state.worker.abort()
    trained = host.state.executor.trained
    if frame.fields.get("version") is not None:
        trained.rollback(frame["version"])
    return Frame("reply", {"version": trained.version})


def state(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Trained weights and optimizer state, as the bytes of a state file."""
    trained = _working(host)[0].trained
    data = trained.state_bytes()
    return Frame("reply", {"version": trained.version, "sha256": state_digest(data)}, (), data)


def load(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Take trained weights and optimizer state from such bytes."""
    _lead(host, client)
    if state_digest(frame.blob) != frame["sha256"]:
        raise RetriableError("the state's digest is wrong; send it again")
    executor, worker = _working(host)
    worker.abort()
    with StateReader(frame.blob) as reader:
        executor.trained.load(reader)
    return Frame("reply", {"version": executor.trained.version})


def shard(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Write this stage's part of a checkpoint, announce it, and serve it."""
    _lead(host, client)
    trained = _working(host)[0].trained
    place, training = host.state.place, host.state.training
    if host.shards is None or place is None or training is None:
        raise ConfigError(f"{host.spec.name} has no directory for checkpoints; start it with one")
    if trained.version != frame["version"]:
        raise RetriableError(f"{host.spec.name} is at version {trained.version}, not {frame['version']}")
    facts = ShardFacts(
        stage=str(StageName.of(place.index, place.num_stages)),
        step=frame["step"],
        version=trained.version,
        num_stages=place.num_stages,
        base_digest=training.base_digest,
        lora=training.lora,
        progress=frame.blob.decode() if frame.blob else None,
    )
    held = host.shards.save(facts, from_state(trained.tensors()))
    return Frame("reply", {"stage": facts.stage, "sha256": held.sha256, "bytes": held.bytes})


def open_session(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Make room for a sequence that is generated."""
    if host.state.decoder is None:
        raise RetriableError(f"{host.spec.name} has no model yet; wait for its trainer")
    host.state.decoder.open(frame, client.report)
    return Frame("reply")


def close_session(host: "StageHost", frame: Frame, client: "Client") -> Frame:
    """Free a sequence."""
    if host.state.decoder is not None:
        host.state.decoder.close(frame["session"])
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


def _lead(host: "StageHost", client: "Client") -> None:
    if host.state.leader is not client:
        raise ConfigError(_ANOTHER)


def _working(host: "StageHost") -> tuple[ModuleCollab, StageWorker]:
    executor, worker = host.state.executor, host.state.worker
    if executor is None or worker is None:
        raise RetriableError(f"{host.spec.name} has no model yet; reset it first")
    return executor, worker


def _report(host: "StageHost", frame: Frame) -> None:
    if host.state.leader is not None:
        host.state.leader.report(frame)
