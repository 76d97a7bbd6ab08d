# SPDX-License-Identifier: Apache-2.0
"""Bounds of a share that was measured on a few items (Wilson 1927, doi:10.2307/2276774)."""

import math

Z_95 = 1.959963984540054
"Standard deviations that hold 95 % of a normal distribution."


def wilson(hits: float, items: float, *, z: float = Z_95) -> tuple[float, float]:
    """The lower and upper bound of the share of hits; of no items, 0 and 1.

    Neither needs to be whole: repeated trials of one item count as fewer (`tallies.effective`).

    Raises:
        ValueError: more hits than items, or fewer than none.
    """
    if not 0 <= hits <= items:
        raise ValueError(f"{hits} hits of {items} items")
    if items == 0:
        return 0.0, 1.0
    share, squared = hits / items, z * z
    middle = (share + squared / (2 * items)) / (1 + squared / items)
    spread = (
        z * math.sqrt(share * (1 - share) / items + squared / (4 * items * items)) / (1 + squared / items)
    )
    return max(0.0, middle - spread), min(1.0, middle + spread)
