# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import configure

from node0.errors import ConfigError
from node0.finetune.training.plan.run_place import refuse_misplaced


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("base", "corpus", "tokenizer"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("run_dir", "said"),
    [
        ("base", "the directory of its base"),
        ("tokenizer/", "the directory of its tokenizer"),
        ("corpus", "a corpus"),
        ("corpus/new/deeper", "a corpus"),
        ("run/../base", "the directory of its base"),
    ],
)
def test_a_place_that_is_read_is_refused_however_it_is_spelled(place: Path, run_dir: str, said: str) -> None:
    config = configure(place, checkpoint_dir=str(place / run_dir), tokenizer=str(place / "tokenizer"))

    with pytest.raises(ConfigError, match=f"run directory .* is (in .*)?{said}.*; give another"):
        refuse_misplaced(config)


@pytest.mark.parametrize("run_dir", ["run", "base/adapters/deacon", "corpus-2", ".checkpoints/deacon"])
def test_a_place_beside_or_below_a_base_is_taken(place: Path, town_root: Path, run_dir: str) -> None:
    for root in (place, town_root):
        refuse_misplaced(configure(place, checkpoint_dir=str(root / run_dir)))


def test_a_hub_id_is_no_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)

    refuse_misplaced(configure(place, base_model="owner/name", checkpoint_dir="owner/name"))
