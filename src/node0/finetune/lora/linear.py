# SPDX-License-Identifier: Apache-2.0
"""The adapted layer, under the name that the plan gives it."""

from node0.lora.linear import LoRALinear

__all__ = ["LoRALinear"]
