# SPDX-License-Identifier: Apache-2.0
"""Run one of our commands in this new process, which may take so much more memory than its imports took.

    python limited_command.py MIB ARGUMENT...

The last line of stdout is `SECONDS CODE`: what the command took after the imports, and its exit code.
"""

import importlib
import resource
import sys
import time
from pathlib import Path

from node0.cli import main

IMPORTS = (
    "transformers.models.auto.tokenization_auto", "transformers.models.llama",
    "node0.commands.infer.answer_prompts", "node0.commands.finetune.train_role", "node0.commands.infer.load_model",
)  # fmt: skip


def limited() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + (int(sys.argv[1]) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    started = time.monotonic()
    code = main(sys.argv[2:])
    sys.stdout.write(f"\n{time.monotonic() - started:.2f} {code}\n")


if __name__ == "__main__":
    limited()
