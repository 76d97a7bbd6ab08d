# SPDX-License-Identifier: Apache-2.0
"""The hashes by which Claude Code's request log names messages and shapes."""

import hashlib
import json
from typing import Any

from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks


def message_hash(message: WireMessage) -> str:
    """The hash of a message; a plain string counts as one text block."""
    return log_hash({"role": message["role"], "content": as_blocks(message["content"])})


def log_hash(value: Any) -> str:
    """sha256, in hex, over compact key-sorted JSON without cache marks."""
    line = json.dumps(without_cache_marks(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def without_cache_marks(value: Any) -> Any:
    """The value without any `cache_control`, at whatever depth."""
    if isinstance(value, dict):
        return {key: without_cache_marks(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [without_cache_marks(item) for item in value]
    return value
