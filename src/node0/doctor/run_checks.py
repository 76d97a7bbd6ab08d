# SPDX-License-Identifier: Apache-2.0
"""Check a run on this machine: its keys, its ports, what dead processes left."""

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

from node0.check_result import CheckResult, bad, note, ok
from node0.errors import ConfigError, NotFound
from node0.swarm.run.address import Address, parse_address
from node0.swarm.run.identity import read_identity
from node0.swarm.run.layout import why_taken
from node0.swarm.run.run_file import KEYS, RUN_FILE, key_file
from node0.swarm.run.swarm_run import TRAINER, Member, SwarmRun
from node0.swarm.transport.sockets import last_owner_of, owner_of, socket_directory

ANSWER_SECONDS = 3.0


def run_checks(directory: Path, run: SwarmRun) -> Iterator[CheckResult]:
    """Every check of a run that needs no other peer to answer."""
    yield from keys(directory, run)
    yield from ports(directory, run)
    yield from stale_sockets(directory)


def keys(directory: Path, run: SwarmRun) -> Iterator[CheckResult]:
    """Whether the keys that lie here are private, and make the members that run.json names."""
    files = sorted((directory / KEYS).glob("*.key"))
    if not files:
        yield bad("keys", f"no key in {directory / KEYS}", "copy this machine's key from where init was run")
    for file in files:
        yield _key(file, run)


def ports(directory: Path, run: SwarmRun) -> Iterator[CheckResult]:
    """Whether a member that runs is reached, and one that does not could listen."""
    owners = {member.name: _owner(directory, member.name) for member in run.members}
    started = any(owner is not None for owner in owners.values())
    for member in run.members:
        if member.full_addresses:
            yield _port(member, directory, owners[member.name], started=started)


def answering(run: SwarmRun) -> list[Member]:
    """The stages and spares on whose port something listens now."""
    asked = [member for member in run.members if member.name != TRAINER]
    return [member for member in asked if any(map(_answers, member.full_addresses))]


def stale_sockets(directory: Path) -> Iterator[CheckResult]:
    """Socket directories of this run whose process is gone; other runs are not looked at."""
    folder = socket_directory(directory, "any").parent
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    stale = [path for path in found if owner_of(path) is None]
    for path in stale:
        owner = last_owner_of(path)
        who = "nobody" if owner is None else f"process {owner}, which is gone"
        yield bad("sockets", f"{path} belongs to {who}", f"rm -r {shlex.quote(str(path))}")
    if not stale:
        yield ok("sockets", f"{len(found)} in use, none left behind")


def _key(file: Path, run: SwarmRun) -> CheckResult:
    name = f"key {file.stem}"
    try:
        peer_id = read_identity(file).peer_id
    except (ConfigError, NotFound) as error:
        found, _, advice = str(error).partition("; ")
        return bad(name, found, advice)
    member = next((member for member in run.members if member.name == file.stem), None)
    if member is not None and member.peer_id != peer_id:
        return bad(
            name,
            f"it makes peer {peer_id}, and {RUN_FILE} has {member.peer_id} as {file.stem}",
            "restore the key, or write its peer id into run.json on every machine",
        )
    if peer_id not in run.allowed:
        return bad(
            name,
            f"peer {peer_id} is not on the allow-list: every member will refuse it",
            f'add "{peer_id}" to allow_peers in {RUN_FILE} on every machine',
        )
    return ok(name, peer_id)


def _port(member: Member, directory: Path, owner: int | None, *, started: bool) -> CheckResult:
    name, address = f"port of {member.name}", member.full_addresses[0]
    listens = parse_address(member.config.host_maddrs[0])
    here = key_file(directory, member.name).exists() and _is_here(address)
    if here and owner is None:
        reason = why_taken(listens)
        if reason is None:
            return ok(name, f"{listens.port} is free for it")
        return bad(
            name,
            f"{listens.port} cannot be listened on: {reason}",
            f"end it (ss -ltnp sport = :{listens.port} names it), or change the port in every {RUN_FILE}",
        )
    if _answers(address):
        return ok(name, f"open at {address.host}:{address.port}")
    if owner is not None:
        return bad(
            name,
            f"process {owner} runs and {address.host}:{address.port} is closed",
            "see its log; stop it and start it again",
        )
    closed = f"closed at {address.host}:{address.port}"
    advice = f"start {member.name} there; if it runs, let its firewall pass TCP port {address.port}"
    return bad(name, closed, advice) if started else note(name, closed, advice)


def _owner(directory: Path, name: str) -> int | None:
    """The living process that is that member on this machine."""
    return owner_of(socket_directory(directory, name))


def _is_here(address: Address) -> bool:
    """Whether an address is one of this machine's."""
    try:
        found = socket.getaddrinfo(address.host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, number, _, where in found:
        with socket.socket(family, kind, number) as probe:
            try:
                probe.bind(where)
            except OSError:
                continue
            return True
    return False


def _answers(address: Address) -> bool:
    try:
        socket.create_connection((address.host, address.port), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
