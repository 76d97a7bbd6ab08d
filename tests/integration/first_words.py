# SPDX-License-Identifier: Apache-2.0
"""Run the example of every command in a child of its own until it says something or imports something heavy.

A line of JSON a command: `command`, `said` (what came first, on either stream), `imported` (the heavy package
that came before any word; empty where none did).
"""

import json
import os
import pkgutil
import select
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import node0
from node0 import cli
from node0.usage.readable_help import command_of, example_of

HEAVY = {
    "torch", "transformers", "tokenizers", "numpy", "safetensors", "matplotlib", "huggingface_hub",
    "hivemind", "fastapi", "uvicorn", "peft", "bitsandbytes", "scipy", "sklearn",
}  # fmt: skip
TOLD = 3
"The descriptor on which a child names the package that it was about to import."


class Watch:
    """Stands before every import: refuses heavy ones here, and ends a child that asks for one."""

    is_child = False

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] not in HEAVY:
            return
        if not self.is_child:
            raise ModuleNotFoundError(name)
        os.write(TOLD, name.encode())
        os._exit(1)


def main() -> None:
    """Load what is light once, then fork a child for each command."""
    watch = Watch()
    sys.meta_path.insert(0, watch)  # type: ignore[arg-type]  # it finds nothing
    for found in pkgutil.walk_packages(node0.__path__, "node0.", onerror=lambda _: None):
        with suppress(ImportError):
            import_module(found.name)
    for name, entry in cli.available().items():
        for path, command in leaves(command_of(import_module(entry.module).app), [name]):
            words = shlex.split(example_of(command).rpartition(" | ")[2].partition(" >")[0])  # type: ignore[union-attr]  # each has one
            said, imported = first_word(words[1:], watch)
            line = json.dumps({"command": " ".join(path), "said": said, "imported": imported})
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()  # a child would say it again


def leaves(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield path, command
    for name, below in (inner or {}).items():
        yield from leaves(below, [*path, name])


def first_word(argv: list[str], watch: Watch) -> tuple[str, str]:
    """What a child says first, and which heavy package it asked for before."""
    (said, saying), (told, telling) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        run(argv, watch, saying=saying, telling=telling)
    os.close(saying)
    os.close(telling)
    select.select([said, told], [], [])
    # It ends where it asks for a heavy package, so a word that is there came before.
    is_said = said in select.select([said], [], [], 0)[0]
    word = os.read(said, 4096) if is_said else b""
    imported = b"" if word else os.read(told, 4096)
    os.close(said)
    os.close(told)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return word.decode(errors="replace"), imported.decode()


def run(argv: list[str], watch: Watch, *, saying: int, telling: int) -> NoReturn:
    """The child: its streams are pipes, and nobody types."""
    os.dup2(saying, 1)
    os.dup2(saying, 2)
    os.dup2(telling, TOLD)
    os.set_inheritable(TOLD, False)
    sys.stdin = None  # type: ignore[assignment]  # as where no terminal is
    watch.is_child = True
    try:
        code = cli.main(argv)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
