# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters of an adapter, under the name that the plan gives them."""

from node0.lora.lora_config import LoRAConfig

__all__ = ["LoRAConfig"]
