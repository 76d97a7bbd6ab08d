# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from any_base import make_any_base
from safetensors.torch import load_file, save_file
from tiny_run import make_base

from node0.errors import BadCheckpoint, NotFound
from node0.models.base_model import BaseModelDir
from node0.models.hf.hf_base import HFBase, hf_digest, resolve_any_base


def test_our_own_blocks_compute_what_they_can(tmp_path: Path) -> None:
    assert isinstance(resolve_any_base(make_base(tmp_path)), BaseModelDir)


def test_transformers_computes_the_rest(tmp_path: Path) -> None:
    path = make_any_base(tmp_path, "gemma3_text")

    base = resolve_any_base(path)

    assert isinstance(base, HFBase)
    assert (base.path, base.name, base.args.family) == (path, str(path), "gemma3_text")
    assert base.tokenizer_path == path


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_a_feature_that_our_blocks_lack_goes_to_transformers(tmp_path: Path, family: str) -> None:
    changes = {
        "qwen2": {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
        "llama": {"hidden_act": "gelu"},
    }
    make_any_base(tmp_path, family, **changes[family])

    assert isinstance(resolve_any_base(tmp_path / "base"), HFBase)


def test_a_damaged_base_of_ours_does_not_become_one_of_transformers(tmp_path: Path) -> None:
    path = make_base(tmp_path) / "config.json"
    config = json.loads(path.read_text())
    del config["hidden_size"]
    path.write_text(json.dumps(config))

    with pytest.raises(BadCheckpoint, match="hidden_size"):
        resolve_any_base(path.parent)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no base directory"):
        resolve_any_base(tmp_path / "none")


def test_the_digest_tells_weights_and_shape_apart_and_no_more(tmp_path: Path) -> None:
    path = make_any_base(tmp_path, "olmo2")
    first, config = hf_digest(path), json.loads((path / "config.json").read_text())

    (path / "config.json").write_text(
        json.dumps({**config, "transformers_version": "4.0", "use_cache": False})
    )
    same = hf_digest(path)
    (path / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    other_shape = hf_digest(path)
    (path / "config.json").write_text(json.dumps(config))
    tensors = load_file(path / "model.safetensors")
    tensors["model.norm.weight"][3] += 1
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})

    assert same == first
    assert len({first, other_shape, hf_digest(path)}) == 3


def test_weights_that_are_pickles_are_refused(tmp_path: Path) -> None:
    path = make_any_base(tmp_path, "olmo2")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")

    with pytest.raises(BadCheckpoint, match="is pickle, which can run code"):
        resolve_any_base(path)
