# SPDX-License-Identifier: Apache-2.0
"""A bench that is told to end leaves nothing in the temporary directory, whatever it was at."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from integration.swarm.processes import descendants, is_alive, wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
NAMES = {"tempfile", "mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile"}


@pytest.mark.parametrize("name", ["flood.py", "kill_rounds.py", "hop.py", "registry.py"])
def test_sigterm_in_the_middle_of_a_bench_leaves_neither_files_nor_processes(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("t")
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    given = {"PYTHONPATH": path, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(BENCH / name)],
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bench:
        try:
            assert wait_until(lambda: any(temporary.glob("n0-*/b/*")) or bench.poll() is not None, 120.0)
            below = descendants(bench.pid)
            bench.terminate()
            said, _ = bench.communicate(timeout=120)
        finally:
            bench.kill()

    assert bench.returncode == 143, said
    assert wait_until(lambda: not any(map(is_alive, below)), 30.0)
    assert list(temporary.rglob("*")) == []


@pytest.mark.parametrize("module", sorted(BENCH.glob("*.py")), ids=lambda path: path.stem)
def test_no_bench_makes_a_temporary_directory_by_itself(module: Path) -> None:
    tree = ast.walk(ast.parse(module.read_text()))
    words = {word for node in tree for word in (getattr(node, "id", ""), getattr(node, "attr", ""))}

    assert not words & NAMES
