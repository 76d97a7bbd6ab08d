# SPDX-License-Identifier: Apache-2.0
"""What a value of a document is in a cell of SQLite."""

import json
from typing import Any


def stored(value: Any) -> Any:
    """The value, or its JSON where a cell cannot hold it."""
    is_large = isinstance(value, int) and abs(value) >= 1 << 63
    return json.dumps(value) if is_large or isinstance(value, dict | list) else value
