# SPDX-License-Identifier: Apache-2.0
"""Deploys or rolls back in a town and, at the Nth call of a function, is killed: TOWN COMMAND N.

Prints how many calls there were, when it lives to the end.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

calls = 0


def main() -> None:
    town, command, fatal = Town(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    registry = ModelRegistry(town)
    deployer = Deployer(town, registry, probe=lambda *_: None)
    sys.setprofile(lambda *event: count(event, fatal))
    if command == "rollback":
        deployer.rollback("deacon")
    else:
        deployer.deploy(deployer.plan(command, endpoint=Endpoint()))
    sys.setprofile(None)
    sys.stdout.write(f"{calls}\n")


def count(event: tuple[FrameType, str, Any], fatal: int) -> None:
    """Count calls of functions, in Python and C alike; the fatal one is never made."""
    global calls  # the profiler has no other place
    if event[1] in ("call", "c_call"):
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
