# SPDX-License-Identifier: Apache-2.0
"""README's section on several machines, line by line as it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from integration.swarm.processes import LAYERS, wait_until
from tiny_run import make_base, make_corpus

from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SECTION = "## Several GPUs or machines"
ADAPTER = "adapter_model.safetensors"


def commands() -> list[str]:
    """Every command in the section's shell blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{SECTION}\n")[2]
    text = re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the base that README names, and a town with a corpus."""
    base = make_base(tmp_path / "home", **LAYERS, max_seq_len=2048)
    (tmp_path / "home" / "models").mkdir()
    base.rename(tmp_path / "home" / "models" / "qwen3-0.6b")
    make_corpus(tmp_path / "home" / "gt" / ".corpus", uneven=True)
    return tmp_path / "home"


@contextmanager
def typed(line: str, home: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A line in a terminal of its own, in the town."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(home), "PATH": path, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=home / "gt", stdout=file, stderr=file, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(120)


@pytest.mark.timeout(1200)  # nine programs one after the other, each with its own limit
def test_every_line_does_what_it_says(home: Path, tmp_path: Path) -> None:
    lines = commands()
    servers = [line for line in lines if line.startswith("node0 server ")]
    assert [line.split()[1] for line in lines] == [
        *("--nproc-per-node", "swarm", "server", "server", "server", "doctor", "swarm"),
        *("--swarm", "--local-swarm"),
    ]
    cluster, first, *others = [line for line in lines if line not in servers]
    log = tmp_path / "log"
    log.touch()

    def said() -> str:
        return log.read_text(encoding="utf-8")

    for line in (cluster, first):
        with typed(line, home, log) as process:
            assert process.wait(240) == 0, said()
    with ExitStack() as stack:
        running = [stack.enter_context(typed(line, home, log)) for line in servers]
        assert wait_until(lambda: said().count("Server started: ") == 3, 180), said()
        for line in others:
            with typed(line, home, log) as process:
                assert process.wait(300) == 0, f"{line}: {said()[-3000:]}"
        alive = [process.poll() for process in running]

    assert alive == [None, None, None]
    assert [process.returncode for process in running] == [0, 0, 0]
    town = home / "gt"
    many, local = (town / "runs/deacon/training" / ADAPTER, town / ".checkpoints/deacon-2" / ADAPTER)
    assert (town / ".checkpoints/deacon-1" / ADAPTER).is_file()
    assert many.read_bytes() == local.read_bytes()
    places = [
        socket_directory(town / "runs" / "deacon", name) for name in ("head-0", "body-1", "tail-2", "trainer")
    ]
    assert not any(place.exists() for place in places)
