# SPDX-License-Identifier: Apache-2.0
"""The files of a town's nights: a plugin of gt, and the script that it calls.

A dog runs the plugin and waits a minute at most, where a training takes hours: the script leaves it a
session of its own, as the one that collects does.
"""

from pathlib import Path

from node0.finetune.gastown.collection_files import EXECUTABLE, Plugin, apart_script
from node0.town import Town

NIGHTLY = Plugin(
    "node0-nightly",
    "Keep the models up",
    "Train, evaluate and put before the gate what the sessions of the town ask for",
    "models",
    "20h",
)


def nightly_files(town: Town, program: Path) -> dict[Path, tuple[str, int]]:
    """The files with their modes; `program` is `node0`, absolute."""
    script = town.nightly_script
    text = apart_script(town, program, script=script, command="town nightly")
    return {script: (text, EXECUTABLE)} | NIGHTLY.files(town, script)
