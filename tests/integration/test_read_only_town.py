# SPDX-License-Identifier: Apache-2.0
"""Reading a town's models needs no right to write."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.jobs.job_store import JobStore
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]

NOBODY = 65534
COMMAND = """
import contextlib, io, os, shutil, sys, tempfile
from node0.cli import main
*words, root = sys.argv[1:]
with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
    with contextlib.redirect_stderr(io.StringIO()):
        main([*words, shutil.copytree(root, os.path.join(place, "town"))])
os.setgid({nobody}); os.setuid({nobody})
sys.exit(main([*words, root]))
"""
"Does it first with a copy, as root: whoever it is afterwards may not be able to import anything."


@pytest.fixture
def town() -> Iterator[Town]:
    """A town with one deployed version, where pytest's own directories would keep others out."""
    root = Path(tempfile.mkdtemp(prefix="town"))
    root.chmod(0o755)
    (root / "mayor").mkdir()
    (root / "mayor" / "town.json").write_text("{}")
    files = root / "model"
    files.mkdir()
    (files / "adapter_model.safetensors").write_bytes(b"weights")
    (files / "adapter_config.json").write_text("{}")
    town = Town(root)
    registry = ModelRegistry(town)
    entry = ModelRegistryEntry(
        name="dm",
        role="deacon",
        artifact_path=str(files),
        artefacts=artefacts_of(files),
        lora_adapters=["."],
    )
    registry.register(entry)
    registry.add_evaluation("dm", Evaluation(suite="held-out", items=9, score=1, low=0.9, high=1))
    deployer = Deployer(town, registry, probe=lambda *_: None)
    deployer.deploy(deployer.plan("dm", endpoint=Endpoint()))
    registry.close()
    jobs = JobStore(town)
    jobs.begin(root / "run", role="deacon", mode="sft", bead_id="gt-abc12")
    jobs.close()
    yield town
    _set_modes(root, directories=0o755, files=0o644)
    shutil.rmtree(root)


def _set_modes(root: Path, *, directories: int, files: int) -> None:
    for path in [root, *root.rglob("*")]:
        path.chmod(directories if path.is_dir() else files)


def _as_nobody(town: Town, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = COMMAND.format(nobody=NOBODY)
    argv = [sys.executable, "-c", code, *arguments, "--town", str(town.root)]
    environment = {**os.environ, "HOME": "/", "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=environment)


def _everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_models_are_listed_and_shown_where_nothing_may_be_written(town: Town) -> None:
    _set_modes(town.root, directories=0o555, files=0o444)
    (town.models / "signing.key").chmod(0o400)
    before = _everything(town.root)

    listed, shown = _as_nobody(town, "model", "list"), _as_nobody(town, "model", "show", "dm@active")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert "@active" in listed.stdout
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "yes, signed" in shown.stdout
    assert _everything(town.root) == before


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("job list", "corpus-validating"),
        ("job show gt-abc12", "corpus-validating"),
        ("store status", "store.sqlite"),
        ("model verify dm", "as registered"),
        ("model bom dm", "CycloneDX"),
    ],
)
def test_whatever_only_looks_writes_nothing(town: Town, command: str, word: str) -> None:
    _set_modes(town.root, directories=0o555, files=0o444)
    before = _everything(town.root)

    told = _as_nobody(town, *command.split())

    assert told.returncode == 0, told.stderr
    assert word in told.stdout + told.stderr
    assert _everything(town.root) == before


def test_what_is_still_in_the_write_ahead_log_is_read_too(town: Town) -> None:
    registry = ModelRegistry(town)
    with registry.store.read():
        writer = ModelRegistry(town)
        writer.note("dm", "written while another reads")
        writer.close()
        _set_modes(town.root, directories=0o555, files=0o444)
        assert town.store_file.with_name("store.sqlite-wal").stat().st_size > 0

        told = _as_nobody(town, "model", "history", "dm")

    assert told.returncode == 0, told.stderr
    assert "note" in told.stdout
    _set_modes(town.root, directories=0o755, files=0o644)
    registry.close()


def test_show_tells_of_an_unfinished_deployment_that_it_may_not_undo(town: Town) -> None:
    registry = ModelRegistry(town)
    log = DeploymentLog(registry.store)
    (row,) = log.list()
    log.begin(row.model_copy(update={"state": DeploymentState.STARTED}))
    registry.close()
    _set_modes(town.root, directories=0o555, files=0o444)

    told = _as_nobody(town, "model", "show", "dm")

    assert told.returncode == 0, told.stderr
    assert "an unfinished deployment is still to be undone" in told.stderr


def test_what_would_write_is_one_line_and_no_traceback(town: Town) -> None:
    _set_modes(town.root, directories=0o555, files=0o444)

    told = _as_nobody(town, "model", "note", "dm", "hello")

    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
