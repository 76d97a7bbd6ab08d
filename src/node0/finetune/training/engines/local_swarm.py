# SPDX-License-Identifier: Apache-2.0
"""A local swarm: stages as processes of this machine, started and supervised by the trainer."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.files import open_to_append, private_directory
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.chosen_model import own_arguments
from node0.finetune.training.plan.run_plan import RunPlan
from node0.swarm.peer.restart_limit import MOST_STARTS, RestartLimit
from node0.swarm.run.create import create_run, new_run_id
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.run_file import key_file
from node0.swarm.run.swarm_run import TRAINER, Member, SwarmRun
from node0.swarm.transport.codec import Codec

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
GRACE = 10.0


@contextmanager
def local_swarm(plan: RunPlan, *, wire: Codec = "float32") -> Iterator[tuple[SwarmRun, Path]]:
    """Run a process for each stage of the plan; the run and its directory.

    A stage that ends is started again. They end with the context, and with this process however it ends.
    """
    own_arguments(plan.args)
    directory = RunDirectory(plan.config.checkpoint_dir).swarm
    shutil.rmtree(directory, ignore_errors=True)
    config = plan.config
    common = SwarmRun(
        run_id=new_run_id(directory),
        local_mode=True,
        num_stages=config.num_stages,
        layers_per_stage=config.layers_per_stage,
        wire=wire,
        base_model=config.base_model,
        base_revision=config.base_revision,
        base_digest=plan.base_digest,
    )
    slots = lay_out(config.num_stages, replicas={}, spares=0, hosts={}, start=first_port(str(directory)))
    run = create_run(directory, slots, common=common, settings="")
    threads = max(1, (os.cpu_count() or 1) // config.num_stages)
    supervisor = Supervisor(directory, run, device=plan.device, threads=threads)
    try:
        yield run, directory
    finally:
        supervisor.close()


class Supervisor:
    """Runs the members of a run that are not the trainer, and starts again what ends."""

    def __init__(self, directory: Path, run: SwarmRun, *, device: str, threads: int) -> None:
        self._directory, self._device, self._threads = directory, device, threads
        self._members = [member for member in run.members if member.name != TRAINER]
        self._limits = {member.name: RestartLimit() for member in self._members}
        self._given_up: set[str] = set()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ending = threading.Event()
        private_directory(directory / "logs")
        for member in self._members:
            self._limits[member.name].allows()
            self._start(member)
        self._thread = threading.Thread(target=self._watch, name="node0-supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all of them, and wait until they are gone."""
        self._ending.set()
        self._thread.join()
        for process in self.processes.values():
            process.terminate()
        until = time.monotonic() + GRACE
        for process in self.processes.values():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, member: Member) -> None:
        command = [
            *(sys.executable, "-m", "node0.run_server", "--run", str(self._directory)),
            *("--identity-path", str(key_file(self._directory, member.name))),
            *("--device", self._device, "--threads", str(self._threads), "--parent", str(os.getpid())),
        ]
        with open_to_append(self._directory / "logs" / f"{member.name}.log") as log:
            self.processes[member.name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_EVERY):
            for member in self._members:
                code = self.processes[member.name].poll()
                if code is not None and member.name not in self._given_up:
                    self._start_again(member, code)

    def _start_again(self, member: Member, code: int) -> None:
        log = self._directory / "logs" / f"{member.name}.log"
        if not self._limits[member.name].allows():
            self._given_up.add(member.name)
            logger.error(
                "%s ended %d times in an hour and is given up; see %s", member.name, MOST_STARTS, log
            )
            return
        logger.warning("%s ended with code %d and is started again; see %s", member.name, code, log)
        self._start(member)
