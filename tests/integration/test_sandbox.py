# SPDX-License-Identifier: Apache-2.0
"""What tries to get out of the sandbox, or to take the machine down, in every backend that works here."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.errors import SandboxUnavailable
from node0.finetune.eval.sandbox.box import Backend
from node0.finetune.eval.sandbox.bubblewrap import Bubblewrap
from node0.finetune.eval.sandbox.cgroup import control_groups
from node0.finetune.eval.sandbox.limits import MEBI, SandboxLimits
from node0.finetune.eval.sandbox.podman import Podman
from node0.finetune.eval.sandbox.sandbox_runner import SandboxResult, SandboxRunner, find_sandbox
from node0.finetune.eval.sandbox.workspace import OutsideWorkspace, Workspace

pytestmark = pytest.mark.integration

LIMITS = SandboxLimits(seconds=4, memory=256 * MEBI, processes=48, output=MEBI, disk=16 * MEBI, files=500)
AS_ROOT = os.geteuid() == 0

OF_PODMAN = (
    "test_a_home_and_the_files_of_the_machine_are_not_there",
    "test_no_network_is_reached_not_even_this_machine",
    "test_a_fork_bomb_is_held_and_ended",
    "test_four_gigabytes_are_not_given",
    "test_nothing_survives_the_run",
)


BACKENDS = ("bubblewrap, as root", "bubblewrap, by user name space", "podman")


def _backend(name: str) -> Backend:
    program = shutil.which("podman" if name == "podman" else "bwrap")
    if program is None:
        pytest.skip(f"the program for {name} is not installed")
    if name == "podman":
        return Podman(program)
    if name == "bubblewrap, as root" and not AS_ROOT:
        pytest.skip("this process is not root")
    return Bubblewrap(program, as_root=name == "bubblewrap, as root")


def _refusal(name: str) -> str:
    """Why this machine forbids what a backend needs; empty where it does not. Asks the bare program."""
    program = shutil.which("podman" if name == "podman" else "bwrap")
    if program is None:
        return f"the program for {name} is not installed"
    own_user = ["--unshare-user"] if name == "bubblewrap, by user name space" else []
    bare = [program, "--unshare-pid", *own_user, "--ro-bind", "/", "/", "true"]
    with tempfile.TemporaryDirectory() as root:
        if name == "podman":
            for link in ("bin", "lib", "lib64"):
                (Path(root) / link).symlink_to(f"usr/{link}")
            # Without these podman asks for more than a machine in a container may give.
            least = ["--ulimit", "nofile=256:256", "--ulimit", "nproc=64:64"]
            given = ["--network", "none", *least, "--volume", "/usr:/usr:ro", "--rootfs", root]
            bare = [program, "run", "--rm", *given, "/usr/bin/true"]
        done = subprocess.run(bare, capture_output=True, text=True, timeout=60, check=False)
    return f"{' '.join(bare)}: {done.stderr.strip()[-200:]}" if done.returncode else ""


@pytest.fixture(params=BACKENDS)
def runner(request: pytest.FixtureRequest) -> SandboxRunner:
    """A runner of each backend; skipped only where its bare program does not work on this machine either."""
    if request.param == "podman" and request.function.__name__ not in OF_PODMAN:
        pytest.skip("podman takes a second a run, so it is asked only what it decides itself")
    if refusal := _refusal(request.param):
        pytest.skip(refusal)
    found = SandboxRunner(_backend(request.param), LIMITS)
    with found.workspace() as workspace:
        probe = found.run(["true"], workspace)
    assert probe.succeeded, probe.why
    return found


@pytest.fixture
def workspace(runner: SandboxRunner) -> Iterator[Workspace]:
    with runner.workspace() as opened:
        yield opened


def _python(runner: SandboxRunner, workspace: Workspace, script: str) -> SandboxResult:
    return runner.run(["python3", "-c", script], workspace)


def _running(mark: str) -> list[str]:
    """Command lines of processes on this machine that carry a mark."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line:
            found.append(line)
    return found


def test_a_home_and_the_files_of_the_machine_are_not_there(
    runner: SandboxRunner, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("town secret")
    (tmp_path / "secret").chmod(0o644)
    tried = (
        f"cat {tmp_path}/secret ~/.ssh/* ~root/.bashrc /home/*/.bashrc /etc/shadow /proc/1/root/etc/shadow"
    )

    done = runner.run(
        ["bash", "-c", f"{tried}; ls -A ~ /root /home; cat /proc/1/environ | tr '\\0' '\\n'"], workspace
    )

    assert "town secret" not in done.stdout
    assert "root:x" not in done.stdout
    assert os.environ["HOME"] not in done.stdout
    assert not [
        line
        for line in done.stdout.splitlines()
        if line.startswith((".", "HF_", "SSH_")) and line != ".pyenv"
    ]


def test_the_system_cannot_be_written(runner: SandboxRunner, workspace: Workspace) -> None:
    if AS_ROOT and not runner.backend.changes_user:
        pytest.skip(
            "root's number owns /proc/sys in a user name space, so find_sandbox never gives it to root"
        )
    script = "for p in / /usr /usr/bin /dev /proc/sys/kernel/hostname /run; do "
    script += "(echo x > $p/n) 2>/dev/null && echo wrote $p; (echo x > $p) 2>/dev/null && echo wrote $p; "
    script += "done; mount -t tmpfs none /workspace; echo end"

    done = runner.run(["bash", "-c", script], workspace)

    assert done.stdout == "end\n"


def test_no_network_is_reached_not_even_this_machine(runner: SandboxRunner, workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        script = f"""
import socket
for place in (("127.0.0.1", {port}), ("192.0.2.1", 80), ("localhost", {port})):
    try:
        socket.create_connection(place, 1); print("connected", place)
    except OSError as error: print("refused")
try: print("resolved", socket.getaddrinfo("example.com", 80))
except OSError: print("refused")
"""
        done = _python(runner, workspace, script)
        with pytest.raises(TimeoutError):
            server.accept()

    assert done.stdout.split() == ["refused"] * 4


def test_a_fork_bomb_is_held_and_ended(runner: SandboxRunner, workspace: Workspace) -> None:
    mark = f"mark-{secrets.token_hex(6)}"

    done = runner.run(["bash", "-c", f": {mark}; b() {{ b | b & }}; b; sleep 60"], workspace)

    assert "process limit reached" in done.stopped or "Resource temporarily unavailable" in done.stderr
    assert _running(mark) == []


def test_forking_in_a_loop_never_gets_beyond_the_limit(runner: SandboxRunner, workspace: Workspace) -> None:
    script = """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(20); os._exit(0)
        count += 1
except OSError as error: print(count)
"""
    done = _python(runner, workspace, script)

    assert 0 < int(done.stdout) < LIMITS.processes


def test_four_gigabytes_are_not_given(runner: SandboxRunner, workspace: Workspace) -> None:
    done = _python(
        runner,
        workspace,
        "x = bytearray(4 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('got it')",
    )

    assert not done.succeeded
    assert "got it" not in done.stdout
    assert "MemoryError" in done.stderr or "memory limit reached" in done.stopped or done.exit_code == 137


def test_memory_of_many_processes_is_bounded_together_where_a_group_can_be_made(
    runner: SandboxRunner, workspace: Workspace
) -> None:
    script = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(100 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        open(f"/workspace/{os.getpid()}", "w").close()
        time.sleep(60); os._exit(0)
os.wait()
"""
    done = _python(runner, workspace, script)

    reached = len(list(workspace.root.iterdir()))
    if not _groups_here():
        pytest.skip("no memory cgroup can be made here: each process is bounded alone")
    assert reached * 100 * MEBI <= LIMITS.memory
    # podman keeps its groups' counts to itself: there the children are killed and the parent sees it.
    assert "memory limit reached" in done.stopped or runner.backend.name == "podman"


def _groups_here() -> bool:
    with control_groups(LIMITS) as groups:
        return groups.binds_memory


@pytest.mark.parametrize("where", ["1", "2"])
def test_a_gigabyte_of_output_is_cut_and_ended(
    runner: SandboxRunner, workspace: Workspace, where: str
) -> None:
    done = runner.run(["bash", "-c", f"head -c 1G /dev/zero >&{where}"], workspace)

    assert done.stopped == (f"output above {LIMITS.output:,} bytes",)
    assert len(done.stdout) + len(done.stderr) <= LIMITS.output


def test_a_gigabyte_in_files_is_not_written(runner: SandboxRunner, workspace: Workspace) -> None:
    script = "for p in one /tmp/x /dev/shm/x; do head -c 1G /dev/zero > $p; done; "
    script += "for i in $(seq 100); do head -c 12M /dev/zero > n$i; done"

    done = runner.run(["bash", "-c", script], workspace)

    assert any(each.startswith("wrote above") for each in done.stopped)
    assert workspace.size()[0] < 20 * LIMITS.disk


def test_a_link_leads_nobody_out(runner: SandboxRunner, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("as it was")
    script = f"ln -s {tmp_path} away; ln -s {tmp_path}/outside file; ln -s / top; cat away/outside file"

    done = runner.run(
        ["bash", "-c", f"{script}; echo changed > file; ls -ld /workspace/..{tmp_path}"], workspace
    )

    assert "as it was" not in done.stdout
    assert (
        workspace.read("file") is workspace.read("away/outside") is workspace.read("top/etc/hostname") is None
    )
    with pytest.raises(OutsideWorkspace):
        workspace.write("away/outside", "changed")
    assert (tmp_path / "outside").read_text() == "as it was"


@pytest.mark.parametrize(
    "escape",
    [
        "setsid {loop} &",
        "nohup {loop} >/dev/null 2>&1 &",
        "(setsid setsid {loop} >/dev/null 2>&1 </dev/null &) &",
        "trap '' TERM HUP INT; {loop}",
    ],
    ids=["setsid", "nohup", "double fork", "deaf to signals"],
)
@pytest.mark.parametrize("wait", ["", "\nsleep 60"], ids=["after the end", "after the time limit"])
def test_nothing_survives_the_run(
    runner: SandboxRunner, workspace: Workspace, escape: str, wait: str
) -> None:
    if runner.backend.name == "podman" and not escape.startswith("(setsid"):
        pytest.skip("one of four ways is enough for the slow backend")
    mark = f"mark-{secrets.token_hex(6)}"
    loop = f"bash -c 'while :; do sleep 0.05; done # {mark}'"
    limits = SandboxLimits(seconds=1.0, processes=32)

    done = runner.run(["bash", "-c", escape.format(loop=loop) + wait], workspace, limits=limits)

    until = time.monotonic() + 3
    while _running(mark) and time.monotonic() < until:
        time.sleep(0.05)
    assert _running(mark) == []
    assert done.stopped or not wait


def test_runs_in_one_workspace_share_files_and_no_processes(
    runner: SandboxRunner, workspace: Workspace
) -> None:
    runner.run(["bash", "-c", "echo kept > file; echo gone > /tmp/file; sleep 60 &"], workspace)

    done = runner.run(["bash", "-c", "cat file /tmp/file; ls /proc | grep -c '^[0-9]'"], workspace)

    assert done.stdout.splitlines()[0] == "kept"
    assert "gone" not in done.stdout
    assert int(done.stdout.split()[-1]) <= 5


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of this test alone, one that the sandbox's user may pass through."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    shutil.rmtree(place)


def test_the_first_backend_that_works_is_found_and_what_it_leaves_is_nothing(temporary: Path) -> None:
    try:
        runner = find_sandbox(limits=LIMITS)
    except SandboxUnavailable as error:
        if not (refusal := _refusal(BACKENDS[0] if AS_ROOT else BACKENDS[1])):
            raise
        pytest.skip(f"{refusal}; {error}")
    with runner.workspace() as workspace:
        assert runner.run(["echo", "hello"], workspace).stdout == "hello\n"
        assert workspace.root.is_relative_to(temporary)

    assert not list(temporary.iterdir())
