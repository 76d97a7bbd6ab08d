# SPDX-License-Identifier: Apache-2.0
"""Formulas of gt that ask an agent to run this program: shipped here, installed among the town's own.

gt's formulas have prose steps and no commands of their own, so each step names a command, and what its exit
codes mean. bd reads the types of variables, gt passes over them.
"""

import re
import shlex
from importlib import resources
from pathlib import Path

from node0.finetune.gastown.collection_files import DATA
from node0.town import Town

_SHIPPED = resources.files("node0.configs") / "formulas"
_CALL = re.compile(r"`node0 ")
"Every command begins so; an agent's PATH need not hold the program."


def formula_files(town: Town, program: Path) -> dict[Path, tuple[str, int]]:
    """The files with their modes; none in a town without beads, since bd would take the directory for some.

    Args:
        town: whose formulas they are to be among.
        program: `node0`, absolute.
    """
    if not town.formulas.parent.is_dir():
        return {}
    texts = {file.name: file.read_text(encoding="utf-8") for file in _SHIPPED.iterdir()}
    return {town.formulas / name: (_calling(program, texts[name]), DATA) for name in sorted(texts)}


def _calling(program: Path, text: str) -> str:
    """The text with the program as a shell, inside a string of TOML, takes it."""
    quoted = shlex.quote(str(program)).replace("\\", "\\\\").replace('"', '\\"')
    # A function, since a template would read backslashes.
    return _CALL.sub(lambda _: f"`{quoted} ", text)
