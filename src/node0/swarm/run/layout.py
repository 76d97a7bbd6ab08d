# SPDX-License-Identifier: Apache-2.0
"""Lay out a new run: which member on which machine and port."""

import re
import socket
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node0.errors import ConfigError
from node0.models.stage_name import StageName, stage_names
from node0.settings import nearest
from node0.swarm.run.address import Address, address_of_host
from node0.swarm.run.swarm_run import TRAINER, member_name, spare_name

LOOPBACK = "127.0.0.1"
FIRST_PORT, PORTS = 20000, 12000
"Below the ports that systems give to outgoing connections."

_HOST_AND_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?|(?P<host>[^:]+)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class MemberSlot:
    """A member of a run before it has a key."""

    name: str
    stage: StageName | None
    "None for a spare and for the trainer."

    address: Address
    "Where others reach it."

    @property
    def listens(self) -> Address:
        """Where it listens: on loopback, or on every interface, as a host may not have its own name."""
        if self.address.is_loopback:
            return self.address
        return address_of_host("::" if self.address.protocol == "ip6" else "0.0.0.0", self.address.port)


def lay_out(
    num_stages: int,
    *,
    replicas: Mapping[str, int],
    spares: int,
    hosts: Mapping[str, str],
    start: int = FIRST_PORT,
) -> list[MemberSlot]:
    """A slot for each stage and its replicas, for the spares and for the trainer.

    hosts: `host`, `host:port` or `[v6]:port` by member name; the others are on loopback. On loopback the
    first free ports from `start` on are taken, elsewhere the first that no other member there has.

    Raises:
        ConfigError: a stage, member or host does not exist, two members share a port, or some members
            are on loopback where others cannot reach them.
    """
    members = _members(num_stages, replicas, spares)
    for name in hosts:
        if name not in members:
            raise ConfigError(f"--host names no member {name!r}{nearest(name, list(members))}")
    given = {name: _host_and_port(name, text) for name, text in hosts.items()}
    taken = {address_of_host(host, port) for host, port in given.values() if port}
    if len(taken) < sum(1 for _, port in given.values() if port):
        raise ConfigError("--host gives one port of a machine to two members; each needs its own")
    slots = []
    for name, stage in members.items():
        host, port = given.get(name, (LOOPBACK, None))
        address = address_of_host(host, port) if port else _next_free(host, taken, start)
        taken.add(address)
        slots.append(MemberSlot(name, stage, address))
    _refuse_unreachable(slots)
    return slots


def _members(num_stages: int, replicas: Mapping[str, int], spares: int) -> dict[str, StageName | None]:
    counts = {StageName.parse(name, num_stages=num_stages): count for name, count in replicas.items()}
    for stage, count in counts.items():
        if count < 1:
            raise ConfigError(f"--replicas {stage}={count} leaves nobody on {stage}; give at least 1")
    named = {
        member_name(stage, number): stage
        for stage in stage_names(num_stages)
        for number in range(1, counts.get(stage, 1) + 1)
    }
    return {**named, **{spare_name(number): None for number in range(spares)}, TRAINER: None}


def _host_and_port(name: str, text: str) -> tuple[str, int | None]:
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        raise ConfigError(f"cannot read --host {name}={text}; write a host, host:port or [v6 address]:port")
    port = found["port"] or found["port6"]
    host = found["host"] or found["v6"]
    if address_of_host(host, int(port or 0)).host in ("0.0.0.0", "::"):
        raise ConfigError(
            f"--host {name}={text} is no address that others can reach; give this machine's own"
        )
    return host, int(port) if port else None


def _next_free(host: str, taken: set[Address], start: int) -> Address:
    for port in _from(start):
        address = address_of_host(host, port)
        if address not in taken and (not address.is_loopback or is_free(address)):
            return address
    last = FIRST_PORT + PORTS - 1
    raise ConfigError(f"no free port on {host} from {FIRST_PORT} to {last}; give --host NAME=ADDR:PORT")


def _from(start: int) -> Iterator[int]:
    """Every port of the range once, from `start` on."""
    for offset in range(PORTS):
        yield FIRST_PORT + (start - FIRST_PORT + offset) % PORTS


def first_port(directory: str) -> int:
    """Where a run in that directory begins to look for ports, so that two runs seldom want the same."""
    return FIRST_PORT + zlib.crc32(directory.encode()) % PORTS


def is_free(address: Address) -> bool:
    """Whether this machine could listen there now."""
    return why_taken(address) is None


def why_taken(address: Address) -> str | None:
    """Why this machine cannot listen there now; None where it can."""
    family = socket.AF_INET6 if address.protocol == "ip6" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the daemon does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def _refuse_unreachable(slots: list[MemberSlot]) -> None:
    inside = [slot for slot in slots if slot.address.is_loopback]
    outside = next((slot for slot in slots if not slot.address.is_loopback), None)
    if inside and outside is not None:
        names = ", ".join(slot.name for slot in inside)
        raise ConfigError(
            f"{outside.name} on {outside.address.host} cannot reach {names} on loopback; "
            f"give each an address: {' '.join(f'--host {slot.name}=ADDR' for slot in inside)}"
        )
