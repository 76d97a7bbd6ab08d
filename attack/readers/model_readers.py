# SPDX-License-Identifier: Apache-2.0
"""Readers of models that somebody made: configs, weights, tokenizers, templates, shards, manifests."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from attack.fuzz import Reader
from attack.mutations import as_json, mutated_bytes, mutated_tree
from node0.finetune.chat.render import Renderer, shipped_template
from node0.finetune.checkpoint.peft import export_peft, read_peft
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.inference.source import find_model
from node0.finetune.manifest import write_manifest
from node0.finetune.run_dir import RunDirectory
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import export_base, resolve_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.stage.shard_file import ShardFacts, read_shard, write_shard

TOKENIZER = Path(__file__).parents[2] / "examples" / "base"
ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, n_kv_heads=1, num_hidden_layers=2, ffn_dim=32, vocab_size=288, max_seq_len=512
)
_TEMPLATES: Sequence[bytes] = (
    b"{{ 'a' * 2000000000 }}",
    b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    b"{% set n = namespace(x='ab') %}{% for m in messages %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
)


def base_config(place: Path) -> Reader:
    """config.json of a base, which is built from what it says."""
    base = _base(place)
    return _file_of(base / "config.json", lambda: resolve_base(base))


def weight_header(place: Path) -> Reader:
    """The header of a weights file."""
    base = _base(place)
    return _bytes_of(base / "model.safetensors", lambda: resolve_base(base), most=1500)


def weight_index(place: Path) -> Reader:
    """An index that leads to weights files."""
    base = _base(place)
    names = ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, "model.safetensors")}
    file = base / "model.safetensors.index.json"
    file.write_text(json.dumps(index))
    return _file_of(file, lambda: resolve_base(base))


def tokenizer_file(place: Path) -> Reader:
    """tokenizer_config.json, with which a tokenizer is made and rendered."""
    directory = _tokenizer(place)
    return _file_of(directory / "tokenizer_config.json", lambda: Renderer(load_tokenizer(directory)))


def chat_template(place: Path) -> Reader:
    """A chat template, probed and rendered."""
    directory = _tokenizer(place)
    tokenizer = load_tokenizer(directory)

    def read(data: bytes) -> None:
        tokenizer.chat_template = data.decode(errors="replace")
        request = [{"role": "user", "content": "a"}]
        Renderer(tokenizer).prompt_ids({"system": "s", "tools": [], "messages": request})  # type: ignore[typeddict-item]  # no more is read

    return Reader(mutated_bytes([shipped_template().encode(), *_TEMPLATES]), read)


def adapter_config(place: Path) -> Reader:
    """adapter_config.json."""
    adapter = make_adapter(place)
    return _file_of(adapter / "adapter_config.json", lambda: read_peft(adapter))


def adapter_weights(place: Path) -> Reader:
    """An adapter's weights."""
    adapter = make_adapter(place)
    return _bytes_of(adapter / "adapter_model.safetensors", lambda: read_peft(adapter), most=1500)


def manifest(place: Path) -> Reader:
    """The manifest of a run that has ended, any change of which is refused."""
    run = RunDirectory(make_adapter(place))
    write_manifest(run.root, {"base_digest": "b", "corpus_hash": "c"})
    whole = run.read_manifest()

    def use() -> None:
        find_model(str(run.root))
        if run.read_manifest() != whole:
            raise AssertionError("a changed manifest was used")

    return _file_of(run.root / "MANIFEST.json", use)


def shard(place: Path) -> Reader:
    """A stage's shard of a checkpoint, any change of which is refused."""
    stage = build_stages(ARGS, 1, seed=1)[0]
    apply_lora(stage, LoRAConfig(rank=2, alpha=4, dropout=0, target_modules=["wq"]))
    tensors = {name: value.detach() for name, value in stage.named_parameters() if "lora" in name}
    facts = ShardFacts("solo-0", 3, 3, 1, "b" * 64, {"rank": 2, "alpha": 2.0}, "{}")
    file = write_shard(place, facts, {f"weight:{name}": value for name, value in tensors.items()})
    data = file.read_bytes()

    def use() -> None:
        read_shard(file)
        if file.read_bytes() != data:
            raise AssertionError("a changed shard was used")

    return _bytes_of(file, use, most=len(data))


def _file_of(file: Path, use: Callable[[], object]) -> Reader:
    def read(data: bytes) -> None:
        file.write_bytes(data)
        use()

    return Reader(mutated_tree([json.loads(file.read_text())], as_json), read)


def _bytes_of(file: Path, use: Callable[[], object], *, most: int) -> Reader:
    """Changes are made in the first `most` bytes, where a reader looks for what follows."""
    whole = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data + whole[most:])
        use()

    return Reader(mutated_bytes([whole[:most]]), read)


def _base(place: Path) -> Path:
    export_base(build_stages(ARGS, 1, seed=1), place / "base")
    return place / "base"


def _tokenizer(place: Path) -> Path:
    directory = place / "tokenizer"
    directory.mkdir()
    for file in TOKENIZER.glob("tokenizer*"):
        shutil.copyfile(file, directory / file.name)
    return directory


def make_adapter(place: Path) -> Path:
    """An adapter over a base beside it, below a directory."""
    stages = build_stages(ARGS, 1, seed=1)
    apply_lora(stages[0], LoRAConfig(rank=2, alpha=4, dropout=0, target_modules=["wq"]))
    export_base(build_stages(ARGS, 1, seed=1), place / "base")
    export_peft(
        stages,
        place / "adapter",
        base_name=str(place / "base"),
        base_digest=resolve_base(place / "base").digest,
    )
    return place / "adapter"
