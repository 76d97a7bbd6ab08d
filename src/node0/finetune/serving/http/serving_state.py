# SPDX-License-Identifier: Apache-2.0
"""What a server as a whole is doing, told between its process and its answers."""

from dataclasses import dataclass


@dataclass(slots=True)
class ServingState:
    """One server."""

    draining: bool = False
    "It answers what it has taken and takes no more."
