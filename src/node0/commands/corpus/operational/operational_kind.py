# SPDX-License-Identifier: Apache-2.0
"""The kinds of entries that are made of a town's beads."""

from enum import StrEnum


class Kind(StrEnum):
    """What to collect."""

    BEADS = "beads"
    SLINGS = "slings"
    CONVOYS = "convoys"
    ALL = "all"
