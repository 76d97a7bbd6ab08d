# SPDX-License-Identifier: Apache-2.0
"""The stage that a host holds: what it is made of, what works on it, and who leads it.

`operations` changes it at a client's request and `stage_host` brings it frames; both on the compute thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node0.errors import ConfigError, RetriableError
from node0.models.base_model import BaseModelDir
from node0.server.host.client import Client
from node0.server.host.decoding import Decoder
from node0.server.host.links import Links
from node0.server.host.shard_store import ShardStore
from node0.server.host.stage_spec import StagePlace, StageTraining, make_executor
from node0.server.host.worker import StageWorker
from node0.server.module_collab import ModuleCollab
from node0.server.stage.executor import StageExecutor
from node0.swarm.transport.codec import Codec
from node0.swarm.transport.frames import Frame

CLIENT_KINDS = ("input", "labels", "preference", "decode", "score")
"Frames that bring a stage work from a client."

FIRST_PAYLOAD = 1 << 20
"Bytes that a frame may bring to a stage without a model: then there are only small requests."

_ROOM = 256 << 20
"Bytes of activations that one frame may bring."

_ANOTHER = "another trainer leads this run now; stop one of the two"


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a stage host is told when it starts."""

    name: str
    "`head-0`, `body-1`, ..., or `spare-0`."

    place: StagePlace | None
    "None for a spare, until a trainer gives it one."

    base: BaseModelDir | None
    device: str = "cpu"
    codec: Codec = "float32"
    deadline: float = 60.0
    "Seconds that a frame may take to a neighbour."

    cache_budget: int | None = 2 << 30
    "Bytes for the caches of all sessions; None is without limit."

    session_idle: float = 600.0
    "Seconds after which a session that nobody extends is freed."

    bead_id: str | None = None
    "The bead that asked for the run."

    leaders: frozenset[str] | None = None
    "Peer ids that may train here; None lets everybody who may talk."


class HostedStage:
    """A stage, or room for one. Touched on the compute thread only, once there is an executor."""

    def __init__(
        self,
        spec: HostSpec,
        links: Links,
        *,
        shards: ShardStore | None = None,
        describe: Callable[[], dict[str, Any]],
    ) -> None:
        """`shards` is where checkpoints go, `describe` says what its host is."""
        self.spec, self.links, self.shards, self.describe = spec, links, shards, describe
        self.place = spec.place
        self.training: StageTraining | None = None
        "What the executor was made from."

        self.executor: ModuleCollab | None = None
        self.worker: StageWorker | None = None
        self.decoder: Decoder | None = None
        self.max_payload = FIRST_PAYLOAD
        self.leader: Client | None = None
        self.clients: dict[str, Client] = {}
        "By the name that each gave itself last."

    def build(self, place: StagePlace, training: StageTraining) -> ModuleCollab:
        """Make the stage; what was here before is gone first."""
        self.place, self.training = place, training
        self.executor = self.worker = self.decoder = None
        executor = make_executor(place, training, self.spec.base, device=self.spec.device)
        # Weights and two moments of all of them, in float32, are the largest thing that is sent.
        self.max_payload = _ROOM + 16 * sum(weight.numel() for weight in executor.stage.parameters())
        self.executor = executor
        self.worker = StageWorker(executor, push=self.links.push, report=self.tell_leader)
        self.decoder = Decoder(executor, push=self.links.push, budget=self.spec.cache_budget)
        return executor

    def working(self) -> tuple[ModuleCollab, StageWorker]:
        """The executor, and its part in a step.

        Raises:
            RetriableError: there is no model yet.
        """
        if self.executor is None or self.worker is None:
            raise RetriableError(f"{self.spec.name} has no model yet; reset it first")
        return self.executor, self.worker

    def join(self, client: Client, name: str, *, leads: bool) -> None:
        """Know a client by its name; one that leads takes the lead from an earlier one.

        Raises:
            ConfigError: it may not lead here.
        """
        if leads:
            self.require_trainer(client)
        self._forget(client)
        self.clients[name] = client
        if leads:
            if self.worker is not None:
                self.worker.abort()
            former, self.leader = self.leader, client
            if former is not None and former is not client:
                former.report(Frame("failed", {"text": _ANOTHER, "retriable": False}))

    def leave(self, client: Client) -> None:
        """Free what a client that is gone had here; without its leader a stage leaves the attempt."""
        self._forget(client)
        if self.decoder is not None:
            self.decoder.close_all_of(client.report)
        if self.leader is client:
            self.leader = None
            if self.worker is not None:
                self.worker.abort()

    def expire_sessions(self) -> None:
        """Free the sessions that their clients forgot."""
        if self.decoder is not None:
            self.decoder.expire(self.spec.session_idle)

    def require_trainer(self, client: Client) -> None:
        """Raise `ConfigError` where a client may neither train nor have what is trained."""
        leaders = self.spec.leaders
        if leaders is not None and client.stream.remote not in leaders:
            raise ConfigError(
                f"peer {client.stream.remote} may not train here, nor fetch what is trained; use the run's "
                "trainer key, or start the stages with --allow-peer"
            )

    def require_leader(self, client: Client) -> None:
        """Raise `ConfigError` where another client leads."""
        if self.leader is not client:
            raise ConfigError(_ANOTHER)

    def tell_leader(self, frame: Frame) -> None:
        """Report to whoever leads; nobody may."""
        if self.leader is not None:
            self.leader.report(frame)

    def handle(self, frame: Frame, client: Client | None) -> None:
        """Do the work that a frame brings; `client` is None where another stage sent it.

        Raises:
            RetriableError: there is no model yet.
        """
        if self.worker is None or self.decoder is None or self.executor is None:
            raise RetriableError(f"stage {self.spec.name} has no model yet; reset it first")
        if frame.kind == "decode":
            self.decoder.handle(frame)
        elif frame.kind == "score":
            self._score(self.executor, frame)
        elif client is None or client is self.leader:
            self.worker.handle(frame)

    def listener(self, frame: Frame, client: Client | None) -> Callable[[Frame], None] | None:
        """Whoever waits for what becomes of a frame."""
        found = client
        if frame.kind == "decode" and self.decoder is not None:
            report = self.decoder.reporter(frame.fields.get("session"))
            if report is not None:
                return report
        if frame.kind == "score" and isinstance(frame.fields.get("client"), str):
            found = self.clients.get(frame.fields["client"])
        attempt = None if self.worker is None else self.worker.attempt
        # Anybody may push: a frame of no attempt that runs is nobody's loss.
        if frame.kind in CLIENT_KINDS or (attempt and frame.fields.get("attempt") == attempt):
            found = found or self.leader
        return None if found is None else found.report

    def _score(self, executor: StageExecutor, frame: Frame) -> None:
        """Pass a batch on without a graph; at the tail tell its client the log probability of each label."""
        adapter = executor.adapter if frame["adapter"] else None
        x, positions, labels = frame.tensors
        if not executor.stage.has_head:
            hidden = executor.hidden(x, positions.long(), adapter=adapter)
            following, *rest = frame["route"]
            passed = Frame("score", {**frame.fields, "route": rest}, [hidden, positions, labels])
            self.links.push(following, passed)
            return
        logps = executor.score(x, positions.long(), labels.long(), adapter=adapter)
        client = self.clients.get(frame["client"])
        if client is not None:
            client.report(Frame("scores", {"request": frame["request"]}, [logps]))

    def _forget(self, client: Client) -> None:
        self.clients = {name: found for name, found in self.clients.items() if found is not client}
