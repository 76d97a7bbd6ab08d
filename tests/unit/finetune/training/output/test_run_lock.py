# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import pytest

from node0.errors import ConfigError, RunInUse
from node0.finetune.training.output.run_lock import hold, refuse_unusable

HOLDER = """
import sys, time
from pathlib import Path
from node0.finetune.training.output.run_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def _hold_once(run_dir):
    with hold(run_dir):
        pass


def test_a_second_holder_is_refused_with_the_first_ones_process(tmp_path):
    with hold(tmp_path / "run"), pytest.raises(RunInUse) as caught, hold(tmp_path / "run"):
        pass

    assert str(os.getpid()) in str(caught.value)
    assert caught.value.exit_code == 75


def test_a_killed_process_leaves_no_lock_behind(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RunInUse):
            refuse_unusable(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()

    with hold(tmp_path):
        assert (tmp_path / ".lock").read_text().strip() == str(os.getpid())


@pytest.mark.parametrize(
    ("names", "is_taken"),
    [
        (["run.json", "identities/trainer.key"], True),
        (["config.resolved.yaml", "notes.txt"], True),
        (["run.json"], False),
        (["identities/trainer.key"], False),
        (["a", "b", "c", "d"], False),
    ],
)
def test_a_directory_with_files_is_taken_if_a_run_or_a_swarm_was_begun_there(tmp_path, names, is_taken):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")

    for take in (refuse_unusable, _hold_once):
        with nullcontext() if is_taken else pytest.raises(ConfigError, match="is not empty and no run"):
            take(tmp_path)

    assert all((tmp_path / name).read_text() == "mine" for name in names)
    assert (tmp_path / ".lock").exists() == is_taken


def test_looking_writes_nothing(tmp_path):
    refuse_unusable(tmp_path / "new" / "run")

    assert list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    for check in (refuse_unusable, lambda path: hold(path).__enter__()):
        with pytest.raises(ConfigError, match="cannot write run directory"):
            check(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only directory")
def test_a_read_only_directory_is_refused(tmp_path):
    tmp_path.chmod(0o500)

    with pytest.raises(ConfigError, match="read-only"):
        refuse_unusable(tmp_path / "run")
