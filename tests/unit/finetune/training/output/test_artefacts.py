# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from node0.errors import BadCheckpoint, NotFound
from node0.finetune.training.output.artefacts import held_out, verify_manifest, write_entries, write_manifest
from node0.finetune.training.plan.training_data import EntryUse


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "weights").write_bytes(b"w")
    (tmp_path / ".lock").write_text("1")
    (tmp_path / "training_state" / "step_1").mkdir(parents=True)
    (tmp_path / "training_state" / "step_1" / "state").write_text("s")
    write_manifest(tmp_path, {"step": 7})
    return tmp_path


def test_the_manifest_names_every_file_of_the_model(run_dir):
    manifest = verify_manifest(run_dir)

    assert manifest["step"] == 7
    assert manifest["files"] == {"weights": {"sha256": hashlib.sha256(b"w").hexdigest(), "size": 1}}
    assert "signature" not in manifest


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_changed_or_missing_file_is_found(run_dir, spoil):
    spoil(run_dir / "weights")

    with pytest.raises(BadCheckpoint, match="weights is not the file"):
        verify_manifest(run_dir)


def test_an_unfinished_run_has_no_manifest(tmp_path):
    with pytest.raises(BadCheckpoint, match="not finished"):
        verify_manifest(tmp_path)


def test_held_out_gives_the_ids_that_were_never_trained_on(tmp_path):
    entries = [EntryUse("b", "2", "1", "val"), EntryUse("a", "1", "1", "train")]
    write_entries(tmp_path, entries, {"a": 3})

    assert held_out(tmp_path) == {"b"}
    with pytest.raises(NotFound, match=r"entries\.jsonl"):
        held_out(tmp_path / "other")
