# SPDX-License-Identifier: Apache-2.0
"""The allow-list of files that a model is made of.

A list of what to take, not of what to leave: a run directory also holds keys, sockets, logs, training states
and TensorBoard's events, a Hugging Face directory also a `.git`, pickles and pictures. A new kind of file is
no part of a model until it has a line here. All lie at the top of the directory, but for further chat
templates; an adapter in a directory below is a model by itself.
"""

import re
from pathlib import Path

from node0.documents.json_document import read_object

MODEL_CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
CHAT_TEMPLATE = "chat_template.jinja"
MODEL_CARD = "README.md"

MANIFEST = "MANIFEST.json"
"Size and sha256 of every other file; where it lies, the run is finished."

RESOLVED_CONFIG = "config.resolved.yaml"
"Every setting of the run and who set it."

ENTRIES = "entries.jsonl"
"What was trained on, and what was held out."

METRICS = "metrics.jsonl"
"What each step did."

LOSS_PLOT = "loss.png"
PROFILE = "profile.yaml"
"The deployment profile that was trained for."

TOKENIZER_FILES = (
    TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt", CHAT_TEMPLATE, "generation_config.json",
)  # fmt: skip
"What goes with a model's weights: tokenizer, template, and how to generate."

RUN_FILES = (RESOLVED_CONFIG, ENTRIES, METRICS, LOSS_PLOT, PROFILE, MANIFEST)
"What a run says of its model."

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt"})
"Endings of files that may run code when they are read; never part of a model here."

_NAMES = {
    MODEL_CONFIG, ADAPTER_CONFIG, ADAPTER_WEIGHTS, WEIGHTS_INDEX, MODEL_CARD, "chat_template.json",
    *TOKENIZER_FILES, *RUN_FILES,
}  # fmt: skip

_PATTERNS = (
    re.compile(r"model[\w.-]*\.safetensors"),  # whole, or in shards
    re.compile(r"[\w.-]+\.gguf"),
    re.compile(r"(LICEN[CS]E|NOTICE|COPYING|USE_POLICY)([._-][\w.-]*)?", re.IGNORECASE),
)
_MORE_TEMPLATES = Path("additional_chat_templates")
_SHARD = re.compile(r"[\w-][\w.-]*\.safetensors")


def model_files(directory: Path) -> list[Path]:
    """The files of the model in `directory`, sorted by name, relative to it."""
    shards = _indexed_shards(directory)
    top = [path for path in directory.iterdir() if _belongs(path.name) or path.name in shards]
    found = [*top, *(directory / _MORE_TEMPLATES).glob("[!.]*.jinja")]
    return sorted(path.relative_to(directory) for path in found if path.is_file())


def pickles(directory: Path) -> list[str]:
    """Names of files at the top of `directory` that may be pickles."""
    return sorted(path.name for path in directory.iterdir() if path.suffix in PICKLES and path.is_file())


def _belongs(name: str) -> bool:
    return name in _NAMES or any(pattern.fullmatch(name) for pattern in _PATTERNS)


def _indexed_shards(directory: Path) -> set[str]:
    """Names of shards as the index gives them: some publishers do not begin them with `model`."""
    try:
        index = read_object(directory / WEIGHTS_INDEX)
        names = {str(name) for name in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Whoever loads the weights refuses an index that cannot be read.
        return set()
    return {name for name in names if _SHARD.fullmatch(name)}
