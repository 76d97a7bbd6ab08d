# SPDX-License-Identifier: Apache-2.0
"""The flags that name stages in other processes, and the check that they go together."""

from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.swarm.run.address import parse_seed
from node0.swarm.run.run_file import RUN_FILE, TRAINING_FILE


@dataclass(frozen=True, slots=True)
class RemoteFlags:
    """The flags, as they were given."""

    swarm: bool = False
    run: Path | None = None
    initial_peers: tuple[str, ...] = ()
    local_swarm: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether stages are elsewhere."""
        return self.swarm or self.local_swarm is not None

    @property
    def config(self) -> str | None:
        """The training settings that lie with the run."""
        return None if self.run is None else str(self.run.expanduser() / TRAINING_FILE)

    def refuse_contradictions(self, *, is_torchrun: bool) -> None:
        """Raise `ConfigError` when the flags do not go together, or name what is not there."""
        if self.swarm and self.local_swarm is not None:
            raise ConfigError(
                "--swarm joins running stages and --local-swarm starts them; give one of the two"
            )
        if self.swarm and self.run is None and not self.initial_peers:
            raise ConfigError("--swarm needs the stages: give --run DIR, or --initial-peers ADDRESS")
        if not self.swarm and (self.run is not None or self.initial_peers):
            raise ConfigError("--run and --initial-peers need --swarm")
        if self.wanted and is_torchrun:
            raise ConfigError("a swarm has one trainer; start it without torchrun")
        self._refuse_places()

    def _refuse_places(self) -> None:
        """Raise `ConfigError` for a directory without a run, and for a seed that cannot be one."""
        if self.run is not None and not (self.run.expanduser() / RUN_FILE).is_file():
            raise ConfigError(f"no run in {self.run}; give a directory that node0 swarm init made")
        for text in self.initial_peers:
            parse_seed(text)
