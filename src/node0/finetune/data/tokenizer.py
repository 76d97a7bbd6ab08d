# SPDX-License-Identifier: Apache-2.0
"""Load a tokenizer, and check that it fits the model."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from node0.errors import ConfigError, HubUnavailable, NotFound, VocabMismatch
from node0.finetune.chat.render import shipped_template

_HUB_FILES = (
    "tokenizer*",
    "*.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "config.json",
)


def load_tokenizer(
    name_or_path: str | Path,
    max_length: int = 2048,
    *,
    model_vocab_size: int | None = None,
    revision: str | None = None,
) -> PreTrainedTokenizerFast:
    """A fast tokenizer with a pad token and a chat template.

    Args:
        name_or_path: Directory, or hub id.
        max_length: Longest row in tokens, noted in the tokenizer.
        revision: Commit of the hub id.
        model_vocab_size: Rows of the model's embedding; None skips the check.

    Raises:
        NotFound: The directory holds no tokenizer.
        HubUnavailable: The hub id cannot be fetched.
        VocabMismatch: The tokenizer produces ids that the model does not have.
    """
    directory = Path(name_or_path)
    if not directory.is_dir():
        directory = _fetched(str(name_or_path), revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # noqa: BLE001  # transformers raises whatever it meets in somebody's files
        reason = " ".join(str(error).split())[:200]
        raise NotFound(
            f"{directory} holds no tokenizer that can be read ({reason}): name another one"
        ) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"{directory} has a slow tokenizer: save it with its tokenizer.json")
    tokenizer.model_max_length = max_length
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        tokenizer.chat_template = shipped_template()
    if model_vocab_size is not None:
        check_vocabulary(tokenizer, model_vocab_size)
    return tokenizer


def check_vocabulary(tokenizer: PreTrainedTokenizerFast, model_vocab_size: int) -> None:
    """Refuse a tokenizer whose ids the model does not have. Models may have more rows than ids.

    Raises:
        VocabMismatch: Its length, or the id of a special token, exceeds the model's vocabulary.
    """
    largest = max([len(tokenizer) - 1, *tokenizer.all_special_ids])
    if largest >= model_vocab_size:
        raise VocabMismatch(
            f"the tokenizer has {len(tokenizer)} tokens and ids up to {largest}, the model "
            f"{model_vocab_size} rows: use the base's own tokenizer, or set the model's vocab_size"
        )


def _fetched(hub_id: str, revision: str | None) -> Path:
    if hub_id.startswith((".", "/", "~")) or hub_id.count("/") > 1:
        raise NotFound(f"{hub_id} is no directory: name a directory with a tokenizer, or a hub id")
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(_HUB_FILES)))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise HubUnavailable(
            f"tokenizer {hub_id} cannot be fetched ({type(error).__name__}); it is no directory here: check "
            "the name and the network, or name a directory"
        ) from error
