# SPDX-License-Identifier: Apache-2.0
"""Import a command's work when the command is called, so that `--help` does not wait for it.

The type checker reads the import; the program gets the stand-in:

    if TYPE_CHECKING:
        from node0.commands.infer import answer_prompts as work
    else:
        work = when_called("node0.commands.infer.answer_prompts")
"""

from importlib import import_module
from typing import Any


def when_called(module: str) -> Any:
    """A stand-in for a module, which is imported when something in it is first asked for."""
    return _Lazy(module)


class _Lazy:
    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)
