# SPDX-License-Identifier: Apache-2.0
"""What a base is called where others read it."""

from pathlib import Path

from node0.finetune.config import FineTuneConfig


def base_label(config: FineTuneConfig) -> str:
    """The hub id of the base, or the last part of its directory: a card names no place on a machine."""
    if config.base_model is None:
        return "random weights"
    return Path(config.base_model).name if Path(config.base_model).is_dir() else config.base_model
