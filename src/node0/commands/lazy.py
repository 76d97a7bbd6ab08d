# SPDX-License-Identifier: Apache-2.0
"""Import a command's work when the command is called, so that `--help` does not wait for it.

The type checker reads the import; the program gets the stand-in:

    if TYPE_CHECKING:
        from node0.commands.infer import answer_prompts as work
    else:
        work = when_called("node0.commands.infer.answer_prompts")
"""

import sys
from importlib import import_module
from typing import Any

from node0 import console
from node0.usage.termination import kept_signals


def when_called(module: str, *, heavy: bool = False) -> Any:
    """A stand-in for a module, which is imported when something in it is first asked for.

    Importing a `heavy` one brings torch, which takes seconds, so it is said before.
    """
    return _Lazy(module, heavy=heavy)


class _Lazy:
    def __init__(self, module: str, *, heavy: bool) -> None:
        self._module, self._heavy = module, heavy

    def __getattr__(self, name: str) -> Any:
        if self._heavy and "torch" not in sys.modules:
            console.note("loading the libraries of training and answering")
        with kept_signals():
            module = import_module(self._module)
        return getattr(module, name)
