# SPDX-License-Identifier: Apache-2.0
"""What commands leave of a town's text, weights and keys can be read by their owner alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.swarm.processes import finetune, place
from tiny_run import make_corpus

from node0.commands.corpus.corpus_options import main as corpus
from node0.commands.model.model_options import main as model
from node0.finetune.run_dir import RunDirectory

pytestmark = pytest.mark.integration

MODEL = [
    "MANIFEST.json", "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
    "config.resolved.yaml", "entries.jsonl", "loss.png", "metrics.jsonl", "profile.yaml", "tokenizer.json",
    "tokenizer_config.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A town whose corpus, runs and models had wider rights, after a run over a swarm that was registered."""
    before = os.umask(0o022)
    root = tmp_path_factory.mktemp("town")
    (root / "mayor").mkdir()
    (root / "mayor" / "town.json").write_text("{}")
    for name in (".corpus", ".corpus/deacon", ".models", ".checkpoints/deacon"):
        (root / name).mkdir(mode=0o755, parents=True)
    file = place(root)
    make_corpus(root / ".corpus")
    run = ("--checkpoint-dir", str(root / ".checkpoints" / "deacon"), "--corpus-path", str(root / ".corpus"))
    swarm = finetune(
        "--config", str(file), *run, "--local-swarm", "2", "--register", "dm", "--town", str(root)
    )
    assert swarm.returncode == 0, swarm.stderr
    assert corpus(["retract", "e000", "--town", str(root)]) == 0
    yield root
    os.umask(before)


@pytest.mark.parametrize("name", [".corpus", ".checkpoints/deacon", ".models"])
def test_nobody_else_can_read_what_was_written(town: Path, name: str) -> None:
    found = [town / name, *(town / name).rglob("*")]

    wide = [path for path in found if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]

    assert len(found) > 5
    assert wide == []


def test_a_run_over_a_swarm_is_registered_without_its_keys(town: Path) -> None:
    (copy,) = (town / ".models" / "dm").iterdir()

    assert list((town / ".checkpoints" / "deacon" / "swarm").rglob("*.key"))
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*")) == MODEL
    assert [path.name for path in RunDirectory(copy).model_files()] == MODEL
    assert model(["verify", "dm", "--town", str(town)]) == 0
