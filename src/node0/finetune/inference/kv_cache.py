# SPDX-License-Identifier: Apache-2.0
"""The cache, under the name that the plan gives it."""

from node0.models.kv_cache import KVCache

__all__ = ["KVCache"]
