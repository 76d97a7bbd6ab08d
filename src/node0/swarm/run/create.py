# SPDX-License-Identifier: Apache-2.0
"""Create the directory of a swarm's run: run.json, training settings, a key for each member."""

import re
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from node0.errors import ConfigError
from node0.files import make_directory, whole_directory, write_atomically
from node0.swarm.run.identity import make_identity
from node0.swarm.run.layout import MemberSlot
from node0.swarm.run.run_file import KEYS, RUN_FILE, TRAINING_FILE, key_file, read_run, write_run
from node0.swarm.run.swarm_run import OBSERVER, TRAINER, Member, MemberConfig, SwarmRun


class Line(NamedTuple):
    """A command to run."""

    member: str
    machine: str
    "Host of the member; empty for this machine."

    command: str


def new_run_id(directory: Path) -> str:
    """An id that no other run has, and that says which this is."""
    slug = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")[:40] or "run"
    return f"{slug}-{secrets.token_hex(3)}"


def refuse_existing(directory: Path) -> None:
    """Raise `ConfigError` unless a run can be made there: nothing, or an empty directory."""
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise ConfigError(f"{directory} is no directory; give another place for the run")
    if directory.is_dir() and any(directory.iterdir()):
        what = "holds a run already" if (directory / RUN_FILE).exists() else "is not empty"
        raise ConfigError(f"{directory} {what}; nothing is overwritten: give another directory")


def create_run(directory: Path, slots: Sequence[MemberSlot], *, common: SwarmRun, settings: str) -> SwarmRun:
    """Make the directory, whole or not at all.

    common: everything of the run but its members.

    Raises:
        ConfigError: there is something already.
    """
    refuse_existing(directory)
    with whole_directory(directory, existing="refuse") as beside:
        make_directory(beside / KEYS)
        write_run(beside, _with_members(common, slots, beside))
        write_atomically(beside / TRAINING_FILE, settings)
        return read_run(beside)


def start_lines(directory: Path, run: SwarmRun) -> list[Line]:
    """What to run where, from first to last: nothing in a line needs to be changed.

    The machine of the trainer is this one; other machines get their files by ssh, into their home.
    """
    here = _host(run.member(TRAINER))
    lines = []
    for member in run.members:
        host = _host(member)
        if host == here:
            lines.append(Line(member.name, "", _command(directory, member)))
            continue
        there = Path(directory.name)
        lines.append(Line(member.name, "", _copy(directory, there, member, host)))
        lines.append(Line(member.name, host, _command(there, member)))
    return lines


def _with_members(common: SwarmRun, slots: Sequence[MemberSlot], directory: Path) -> SwarmRun:
    stages: dict[str, list[MemberConfig]] = {}
    spares: list[MemberConfig] = []
    trainer = None
    for slot in slots:
        config = MemberConfig(
            peer_id=make_identity(key_file(directory, slot.name)).peer_id,
            host_maddrs=[str(slot.listens)],
            announce_maddrs=[] if slot.listens == slot.address else [str(slot.address)],
        )
        if slot.stage is not None:
            stages.setdefault(str(slot.stage), []).append(config)
        elif slot.name == TRAINER:
            trainer = config
        else:
            spares.append(config)
    observer = make_identity(key_file(directory, OBSERVER)).peer_id
    members = {"stages": stages, "spares": spares, "trainer": trainer}
    return common.model_copy(update={**members, "allow_peers": [*common.allow_peers, observer]})


def _host(member: Member) -> str:
    """The machine of a member; empty for loopback, which has several names."""
    address = member.full_addresses[0]
    return "" if address.is_loopback else address.host


def _command(directory: Path, member: Member) -> str:
    if member.name == TRAINER:
        return shlex.join(["node0-finetune", "--swarm", "--run", str(directory)])
    words = ["node0", "server", "--run", str(directory)]
    if member.stage is not None:
        words += ["--local-stage", str(member.stage)]
    if member.name != str(member.stage):
        words += ["--identity-path", str(key_file(directory, member.name))]
    return shlex.join(words)


def _copy(directory: Path, there: Path, member: Member, host: str) -> str:
    files = [RUN_FILE, TRAINING_FILE, str(key_file(Path(), member.name))]
    pack = shlex.join(["tar", "-C", str(directory), "-c", *files])
    unpack = f"mkdir -p {shlex.quote(str(there))} && tar -C {shlex.quote(str(there))} -x"
    return f"{pack} | {shlex.join(['ssh', host, unpack])}"
