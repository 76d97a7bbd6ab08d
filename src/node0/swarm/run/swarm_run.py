# SPDX-License-Identifier: Apache-2.0
"""The schema of run.json: members by stage, addresses, and what all of them agreed on."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from node0.errors import ConfigError, NotFound
from node0.models.stage_name import StageName
from node0.swarm.run.address import Address, check_peer_id, parse_address, parse_seed

TRAINER = "trainer"
OBSERVER = "observer"
"Name of the key with which `doctor` and `status` ask; it is no member."

MOST_STAGES = 999

Wire = Literal["float32", "bfloat16", "float16", "int8"]


def _plain_address(text: str) -> str:
    address = parse_address(text)
    if address.peer_id is not None:
        raise ConfigError(f"address {text!r} ends in a peer id; leave it out, the member has it already")
    return text


def _reachable_address(text: str) -> str:
    if parse_address(_plain_address(text)).port == 0:
        raise ConfigError(f"announced address {text!r} has port 0; give the port that others dial")
    return text


PeerId = Annotated[str, AfterValidator(check_peer_id)]
HostAddress = Annotated[str, AfterValidator(_plain_address)]
AnnouncedAddress = Annotated[str, AfterValidator(_reachable_address)]
SeedAddress = Annotated[str, AfterValidator(lambda text: str(parse_seed(text)))]


class MemberConfig(BaseModel):
    """What run.json says of one member."""

    model_config = ConfigDict(extra="forbid")

    peer_id: PeerId
    "Follows from its key file."

    host_maddrs: list[HostAddress] = Field(min_length=1)
    "Where it listens, as /ip4/0.0.0.0/tcp/4100; port 0 lets the system choose."

    announce_maddrs: list[AnnouncedAddress] = []
    "What it tells others; empty tells where it listens."

    @property
    def full_addresses(self) -> list[Address]:
        """Where others reach it, each with its peer id; none where the system chooses the port."""
        named = [parse_address(text) for text in self.announce_maddrs or self.host_maddrs]
        return [address.of(self.peer_id) for address in named if address.port]


class AuthorizerConfig(BaseModel):
    """What admits peers to the DHT where the run is not in local mode."""

    model_config = ConfigDict(extra="forbid")

    class_name: str
    "Dotted name of a class of this project, as node0.security.run_secret.RunSecretAuthorizer."

    init_args: dict[str, Any] = {}
    "Its arguments, as secret_file of that one."


class Deadlines(BaseModel):
    """How long each wait may take, in seconds."""

    model_config = ConfigDict(extra="forbid")

    join: float = Field(default=120, gt=0)
    "A member waits for the peers that it needs to appear."

    call: float = Field(default=30, gt=0)
    "One control call is answered."

    microbatch: float = Field(default=120, gt=0)
    "One microbatch passes all stages forward and backward; a state has a second more for each 256 KiB."

    step: float = Field(default=120, gt=0)
    "All stages prepare, or all apply."

    replace: float = Field(default=300, gt=0)
    "The trainer waits for a lost stage to be held again."

    gather: float = Field(default=600, gt=0)
    "Shards of a checkpoint are collected."


class SwarmRun(BaseModel):
    """A run over several machines."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    run_id: str = Field(default="node0", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    "Prefix of everything this run keeps in the DHT."

    local_mode: bool = False
    "No authorizer: the allow-list of peers alone decides."

    local_seed_peers: list[SeedAddress] = []
    "Further peers to join by, each with its /p2p/ id."

    bypass_auth: bool = False
    "Same as local_mode, for a run that is not local."

    authorizer: AuthorizerConfig | None = None
    "Required without local_mode and bypass_auth."

    num_stages: int = Field(default=1, ge=1, le=MOST_STAGES)
    "Stages the model is cut into."

    layers_per_stage: list[int] | None = None
    "Layers of each stage; None balances FLOPs, the LM head's on half of the tokens."

    stages: dict[str, list[MemberConfig]] = {}
    "Members by stage name; several on one stage split its microbatches."

    spares: list[MemberConfig] = []
    "Members that take over a lost stage."

    trainer: MemberConfig | None = None
    "The member that feeds the run."

    allow_peers: list[PeerId] = []
    "Peers that may talk to members beside these; they may not train."

    wire: Wire = "float32"
    "Type of hidden states and their gradients between machines."

    backup_every: int = Field(default=10, ge=1)
    "Steps after which each stage copies its state to a second holder."

    deadlines: Deadlines = Deadlines()
    "How long each wait may take."

    base_model: str | None = None
    "Directory or hub id of the base; another directory with the same digest does as well."

    base_revision: str | None = None
    "Commit of the hub id."

    base_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    "Identity of the base: every stage refuses another."

    @property
    def members(self) -> list["Member"]:
        """Everyone in the run: stages in order, spares, the trainer."""
        return list(_members(self))

    @property
    def allowed(self) -> frozenset[str]:
        """Peer ids that may talk to a member: the members and `allow_peers`."""
        return frozenset(member.peer_id for member in self.members) | frozenset(self.allow_peers)

    @property
    def leaders(self) -> frozenset[str]:
        """Peer ids that may train: the trainer; of a run that names none, everybody who may talk."""
        return self.allowed if self.trainer is None else frozenset([self.trainer.peer_id])

    def seeds(self, *, but: str | None = None) -> list[str]:
        """Addresses to join by: the named ones, and every member's with a known port; none of peer `but`."""
        addresses = [str(address) for member in self.members for address in member.full_addresses]
        every = dict.fromkeys([*self.local_seed_peers, *addresses])
        return [address for address in every if not (but and address.endswith(f"/p2p/{but}"))]

    def member(self, name: str) -> "Member":
        """The member of that name, as `body-1`, `body-1.2`, `spare-0` or `trainer`.

        Raises:
            NotFound: the run has no such member.
        """
        found = next((member for member in self.members if member.name == name), None)
        if found is None:
            known = ", ".join(member.name for member in self.members) or "none"
            raise NotFound(f"run {self.run_id} has no member {name!r}; its members: {known}")
        return found

    def member_of(self, peer_id: str) -> "Member | None":
        """The member that is this peer; None where none is."""
        return next((member for member in self.members if member.peer_id == peer_id), None)


class Member(NamedTuple):
    """One peer of a run, and what it is there for."""

    name: str
    "`body-1` for the first member of a stage, `body-1.2` for the second; `spare-0`; `trainer`."

    stage: StageName | None
    "None for a spare and for the trainer."

    config: MemberConfig

    @property
    def peer_id(self) -> str:
        """Its peer id."""
        return self.config.peer_id

    @property
    def full_addresses(self) -> list[Address]:
        """Where others reach it; see `MemberConfig`."""
        return self.config.full_addresses


def member_name(stage: StageName, number: int) -> str:
    """Name of the `number`th holder of a stage, counted from 1."""
    return str(stage) if number == 1 else f"{stage}.{number}"


def spare_name(number: int) -> str:
    """Name of a spare, counted from 0."""
    return f"spare-{number}"


def _members(run: SwarmRun) -> Iterator[Member]:
    for stage in sorted(map(StageName.parse, run.stages)):
        for number, config in enumerate(run.stages[str(stage)], start=1):
            yield Member(member_name(stage, number), stage, config)
    for number, config in enumerate(run.spares):
        yield Member(spare_name(number), None, config)
    if run.trainer is not None:
        yield Member(TRAINER, None, run.trainer)
