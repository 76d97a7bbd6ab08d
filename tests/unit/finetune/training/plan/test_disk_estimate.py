# SPDX-License-Identifier: Apache-2.0
import errno
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.errors import DoesNotFit
from node0.finetune.training.plan.disk_estimate import (
    SMALL_FILES,
    bytes_below,
    estimate_disk,
    refuse_full_disk,
    telling_need,
)
from node0.finetune.training.plan.run_plan import make_plan
from node0.finetune.training.run import train


@pytest.mark.parametrize("lora", [None, {"rank": 16}], ids=["all weights", "adapter"])
def test_a_run_takes_no_more_than_estimated_and_not_much_less(tmp_path: Path, lora: object) -> None:
    make_base(tmp_path, hidden_dim=64, num_hidden_layers=4, ffn_dim=256)
    make_corpus(tmp_path / "corpus")
    config = configure(tmp_path, lora=lora, checkpoint_every_n_steps=1, eval_every_n_steps=1, keep_last=3)
    disk = make_plan(config).disk

    train(config, {})

    held = bytes_below(tmp_path / "run" / "training_state") + bytes_below(tmp_path / "run" / "checkpoints")
    assert held <= disk.checkpoints * 1.25  # names and shapes of tensors this small weigh something
    # One checkpoint fewer is left than stood there while the last one was written.
    assert held >= disk.checkpoints * 0.6
    assert bytes_below(tmp_path / "run") - held <= disk.export + SMALL_FILES


def test_a_short_run_keeps_no_more_checkpoints_than_it_has_steps() -> None:
    assert estimate_disk(10, kept=5, steps=1).checkpoints < estimate_disk(10, kept=5, steps=4).checkpoints


def test_what_the_run_holds_already_needs_no_room(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"GiB are needed and .* are free in .*; make room"):
        refuse_full_disk(tmp_path / "new" / "run", 1 << 60)

    refuse_full_disk(tmp_path / "new" / "run", 1 << 60, held=1 << 60)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_write_that_finds_no_room_tells_what_is_missing(tmp_path: Path, number: int) -> None:
    said = f"the disk of {tmp_path} is too full: 3.0 MiB"

    with pytest.raises(DoesNotFit, match=said), telling_need(tmp_path, 3 << 20):
        raise OSError(number, "no room", str(tmp_path / "state" / "file"))


def test_another_error_and_another_disk_are_left_alone(tmp_path: Path) -> None:
    for error in (
        OSError(errno.EACCES, "no", str(tmp_path / "x")),
        OSError(errno.ENOSPC, "no", "/elsewhere"),
    ):
        with pytest.raises(OSError, match="no"), telling_need(tmp_path, 1):
            raise error


def test_a_full_disk_that_safetensors_tells_in_words_is_one_too(tmp_path: Path) -> None:
    """Under a limit on the size of files, so that nothing outside of the process is full."""
    script = (
        "import resource, sys, torch; from pathlib import Path; from safetensors.torch import save_file; "
        "from node0.finetune.training.plan.disk_estimate import telling_need; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); place = Path(sys.argv[1])\n"
        "with telling_need(place, 1 << 20): save_file({'a': torch.zeros(1 << 16)}, place / 'a.safetensors')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )

    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"node0.errors.DoesNotFit: the disk of {tmp_path} is too full: ")
