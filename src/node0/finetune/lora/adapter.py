# SPDX-License-Identifier: Apache-2.0
"""Adapters on all the layers of a module, under the name that the plan gives them."""

from node0.lora.adapter import apply_lora, freeze_base_params, get_lora_parameters

__all__ = ["apply_lora", "freeze_base_params", "get_lora_parameters"]
