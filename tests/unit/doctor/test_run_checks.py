# SPDX-License-Identifier: Apache-2.0
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.check_result import CheckResult
from node0.doctor.run_checks import answering, keys, ports, stale_sockets
from node0.swarm.run.create import create_run
from node0.swarm.run.identity import make_identity, read_identity
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import key_file, read_run, write_run
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.guard import LOCK_NAME, discard
from node0.swarm.transport.sockets import Claim, socket_directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody changes."""
    directory = tmp_path_factory.mktemp("made") / "run"
    slots = lay_out(1, replicas={}, spares=0, hosts={})
    create_run(directory, slots, common=SwarmRun(local_mode=True), settings="")
    return directory


@pytest.fixture
def run_dir(made: Path, tmp_path: Path) -> Path:
    """A run of one stage and a trainer, to be damaged."""
    directory = tmp_path / "run"
    subprocess.run(["cp", "-rp", made, directory], check=True)
    return directory


@pytest.fixture
def gone() -> int:
    """Number of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def by_check(findings: Iterator[CheckResult]) -> dict[str, CheckResult]:
    return {finding.check: finding for finding in findings}


def listening(run_dir: Path, member: str = "solo-0") -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", read_run(run_dir).member(member).full_addresses[0].port))
    listener.listen()
    return listener


def test_a_new_run_is_fine(run_dir: Path) -> None:
    run = read_run(run_dir)

    findings = [*keys(run_dir, run), *ports(run_dir, run), *stale_sockets(run_dir)]

    assert [finding.check for finding in findings] == [
        "key observer", "key solo-0", "key trainer", "port of solo-0", "port of trainer", "sockets",
    ]  # fmt: skip
    assert {finding.state for finding in findings} == {"ok"}
    assert answering(run) == []


def test_a_key_that_others_can_read_is_named_with_what_closes_it(run_dir: Path) -> None:
    key_file(run_dir, "solo-0").chmod(0o644)

    finding = by_check(keys(run_dir, read_run(run_dir)))["key solo-0"]

    assert finding.state == "bad"
    assert finding.do == f"run: chmod 600 {key_file(run_dir, 'solo-0')}"


def test_a_key_that_was_made_again_is_not_the_member_of_run_json(run_dir: Path) -> None:
    key_file(run_dir, "solo-0").unlink()
    peer_id = make_identity(key_file(run_dir, "solo-0")).peer_id

    finding = by_check(keys(run_dir, read_run(run_dir)))["key solo-0"]

    assert finding.state == "bad"
    assert f"makes peer {peer_id}, and run.json has" in finding.found


def test_a_peer_that_is_not_on_the_allow_list_is_named_with_its_id(run_dir: Path) -> None:
    run = read_run(run_dir)
    write_run(run_dir, run.model_copy(update={"allow_peers": []}))
    peer_id = read_identity(key_file(run_dir, "observer")).peer_id

    finding = by_check(keys(run_dir, read_run(run_dir)))["key observer"]

    assert finding.state == "bad"
    assert peer_id in finding.found
    assert f'add "{peer_id}" to allow_peers' in finding.do


def test_a_machine_without_a_key_is_told_so(run_dir: Path) -> None:
    for path in (run_dir / "identities").iterdir():
        path.unlink()

    (finding,) = keys(run_dir, read_run(run_dir))

    assert finding.state == "bad"
    assert "no key in" in finding.found


def test_a_port_that_another_program_has_is_named(run_dir: Path) -> None:
    run = read_run(run_dir)
    port = run.member("solo-0").full_addresses[0].port

    with listening(run_dir):
        findings = by_check(ports(run_dir, run))

    assert findings["port of solo-0"].state == "bad"
    assert findings["port of solo-0"].found == f"{port} cannot be listened on: Address already in use"
    assert findings["port of trainer"].state == "ok"


def test_a_member_that_runs_must_be_reached(run_dir: Path) -> None:
    directory = socket_directory(run_dir, "solo-0")
    claim = Claim(directory)
    try:
        closed = by_check(ports(run_dir, read_run(run_dir)))["port of solo-0"]
        with listening(run_dir):
            opened = by_check(ports(run_dir, read_run(run_dir)))["port of solo-0"]
            assert [member.name for member in answering(read_run(run_dir))] == ["solo-0"]
    finally:
        claim.release()

    assert closed.state == "bad"
    assert f"process {os.getpid()} runs" in closed.found
    assert opened.state == "ok"


def test_another_machine_that_is_silent_is_wrong_only_once_the_run_has_started(run_dir: Path) -> None:
    run = read_run(run_dir)
    key_file(run_dir, "solo-0").unlink()
    port = run.member("solo-0").full_addresses[0].port

    before = by_check(ports(run_dir, run))["port of solo-0"]
    claim = Claim(socket_directory(run_dir, "trainer"))
    try:
        after = by_check(ports(run_dir, run))["port of solo-0"]
    finally:
        claim.release()

    assert (before.state, after.state) == ("note", "bad")
    assert after.found == f"closed at 127.0.0.1:{port}"
    assert f"let its firewall pass TCP port {port}" in after.do


def test_what_a_dead_process_left_is_named_with_what_removes_it(run_dir: Path, gone: int) -> None:
    stale, living = socket_directory(run_dir, "solo-0"), Claim(socket_directory(run_dir, "trainer"))
    stale.mkdir(parents=True)
    (stale / LOCK_NAME).write_text(f"{gone}\n")
    try:
        (finding,) = stale_sockets(run_dir)
        assert finding.state == "bad"
        assert finding.found == f"{stale} belongs to process {gone}, which is gone"
        assert stale.is_dir()

        subprocess.run(["sh", "-c", finding.do], check=True)

        (finding,) = stale_sockets(run_dir)
    finally:
        discard(stale)
        living.release()
    assert (finding.state, finding.found) == ("ok", "1 in use, none left behind")


def test_what_is_left_of_another_run_is_not_looked_at(run_dir: Path, tmp_path: Path, gone: int) -> None:
    other = socket_directory(tmp_path / "other", "solo-0")
    other.mkdir(parents=True)
    (other / LOCK_NAME).write_text(f"{gone}\n")

    try:
        (finding,) = stale_sockets(run_dir)
    finally:
        discard(other)

    assert finding.state == "ok"
