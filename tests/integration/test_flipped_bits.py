# SPDX-License-Identifier: Apache-2.0
"""Bits flip at random places of what lies on a disk: each is refused or healed, and none is used."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.errors import BadCheckpoint, BadSignature, ConfigError, Node0Error, NotFound
from node0.finetune.checkpoint.step_adapter import write_step_adapter
from node0.finetune.inference.source import find_adapter, find_model
from node0.finetune.registry.publish import publish
from node0.finetune.registry.signatures.integrity import MOVES
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.run import train
from node0.loglines import RESUME_TRIGGERED
from node0.town import Town

pytestmark = pytest.mark.integration

SEED = 16
ADAPTER = "adapter_model.safetensors"
STOPPED = 4
"The step that the interrupted run ends with; a whole state of step 2 lies beside it."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended, the same one stopped before its end, and a town where it is registered."""
    root = tmp_path_factory.mktemp("flips")
    make_corpus(root / "corpus")
    make_base(root)
    _train(root, "straight")
    _train(root, "stopped", stop_after=STOPPED)
    town = Town(root / "town")
    (town.root / "mayor").mkdir(parents=True)
    (town.root / "mayor" / "town.json").write_text("{}")
    registry = ModelRegistry(town)
    publish(registry, root / "straight", name="deacon", role="deacon", models=town.models)
    registry.close()
    return root


def _train(root: Path, name: str, *, stop_after: int | None = None, num_stages: int = 2) -> None:
    config = configure(
        root,
        num_stages=num_stages,
        checkpoint_dir=str(root / name),
        checkpoint_every_n_steps=2,
        eval_every_n_steps=99,
        keep_best=False,
    )
    train(config, {}, stop_after=stop_after)


def _flip(path: Path, draw: random.Random) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("number", range(5))
def test_a_bit_that_flips_in_the_newest_state_is_healed_by_the_one_before(
    place: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    draw = random.Random(SEED + number)
    run = RunDirectory(place / f"again-{number}")
    shutil.copytree(place / "stopped", run.root)
    _flip(draw.choice(_files(run.state(STOPPED))), draw)

    _train(place, run.root.name)

    assert f"passes over the training state of step {STOPPED}" in caplog.text
    assert RESUME_TRIGGERED.write(2) in caplog.messages
    assert (run.root / ADAPTER).read_bytes() == (place / "straight" / ADAPTER).read_bytes()


@pytest.mark.parametrize("number", range(5))
def test_a_bit_that_flips_in_a_shard_is_refused(place: Path, tmp_path: Path, number: int) -> None:
    draw = random.Random(SEED + number)
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(place / "stopped", run.root)
    write_step_adapter(run, STOPPED, tmp_path / "before")
    _flip(draw.choice(_files(run.checkpoints / f"step_{STOPPED}")), draw)

    with pytest.raises(BadCheckpoint, match="cannot read checkpoint"):
        write_step_adapter(run, STOPPED, tmp_path / "after")

    assert not (tmp_path / "after" / ADAPTER).exists()


@pytest.fixture
def town(place: Path, tmp_path: Path) -> Path:
    """The registered town, in a place of its own; rows name files by their path, which stays."""
    shutil.copytree(place / "town", tmp_path / "town")
    return tmp_path / "town"


def _flip_a_value(town: Path, draw: random.Random) -> str:
    """Flip one bit of one value that never changes, of a random row, and say where."""
    with closing(sqlite3.connect(town / ".models" / "store.sqlite")) as store, store:
        table = draw.choice(["model_registry", "model_artefacts"])
        columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})") if row[1] not in MOVES]
        rows = store.execute(f"SELECT rowid, {', '.join(columns)} FROM {table}").fetchall()
        rowid, *values = draw.choice(rows)
        column, value = draw.choice([pair for pair in zip(columns, values, strict=True) if pair[1] != ""])
        if isinstance(value, int):
            value ^= 1 << draw.randrange(16)
        else:
            data = bytearray(str(value).encode())
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            value = bytes(data)
        cast = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
        store.execute("PRAGMA foreign_keys=OFF")
        store.execute(f"UPDATE {table} SET {column} = {cast} WHERE rowid = ?", (value, rowid))
        return f"{table}.{column}"


@pytest.mark.parametrize("number", range(5))
def test_a_bit_that_flips_in_a_row_of_the_registry_is_refused_by_every_loader(
    town: Path, number: int
) -> None:
    find_model("deacon:1", town=town)
    draw = random.Random(SEED + number)

    where = _flip_a_value(town, draw)

    for load in (find_model, find_adapter):
        # A flip in a name or number leaves no version of that name.
        with pytest.raises((BadSignature, BadCheckpoint, ConfigError, NotFound)):
            load("deacon:1", town=town)
            pytest.fail(f"{where} was used")


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("use", ["answer", "start from", "register", "go on"])
@pytest.mark.parametrize(
    "among", [["MANIFEST.json"], [ADAPTER, "adapter_config.json"]], ids=["manifest", "files"]
)
def test_a_bit_that_flips_in_a_finished_run_is_refused_by_whoever_uses_it(
    place: Path, tmp_path: Path, number: int, use: str, among: list[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "straight", run)
    draw = random.Random(SEED + number)
    _flip(run / draw.choice(among), draw)
    uses: dict[str, Callable[[], object]] = {
        "answer": lambda: find_model(str(run)),
        "start from": lambda: train(
            configure(place, init_adapter=str(run), checkpoint_dir=str(tmp_path / "next"), num_stages=2), {}
        ),
        "register": lambda: publish(ModelRegistry(Town(tmp_path / "t")), run, role="deacon"),
        "go on": lambda: RunDirectory(run).verify(),
    }

    with pytest.raises(Node0Error) as caught:
        uses[use]()

    assert isinstance(caught.value, BadCheckpoint)
    assert not (tmp_path / "next" / "training_state").exists()
