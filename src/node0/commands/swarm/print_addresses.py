# SPDX-License-Identifier: Apache-2.0
"""Print the full addresses of a member of a run, which other peers join by."""

from pathlib import Path

from node0 import console
from node0.errors import ConfigError
from node0.swarm.run.run_file import read_run


def print_addresses(run: Path, name: str) -> None:
    """Print each address of the named member on a line.

    Raises:
        NotFound: the run has no such member.
        ConfigError: its address is chosen when it starts.
    """
    found = read_run(run).member(name).full_addresses
    if not found:
        raise ConfigError(f"{name} listens on a port that the system chooses; it says which when it starts")
    console.write("".join(f"{each}\n" for each in found))
