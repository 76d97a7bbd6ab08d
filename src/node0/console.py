# SPDX-License-Identifier: Apache-2.0
"""The console: tables, JSON, progress, errors and exit codes; the one place that talks to a person.

Exit codes: 0 done, 1 a person or a setting must change, 2 usage, 3 a gate refused,
75 try again later, 130 interrupted, 143 ended by SIGTERM.
"""

import atexit
import errno
import gc
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from node0.errors import Node0Error
from node0.record_tables import LONG_TABLE, long_table, table
from node0.usage.readable_help import command_of
from node0.usage.termination import Terminated, heard_sigterm
from node0.visible import data_for, visible

FAILED = 1
USAGE = 2
INTERRUPTED, TERMINATED = 130, 143

_PIPE_WIDTH = 1000
_REMEDIES = {
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "check its owner and mode, or name another place"
    ),
    **dict.fromkeys(
        (errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG),
        "check the path, or name another",
    ),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room, or name another place"),
}
"What to do about an error of the system, where no part of the program knew better."
_EXTRA_OF_PACKAGE = {
    "accelerate": "nf4",
    "base58": "swarm",
    "bitsandbytes": "nf4",
    "credsweeper": "scan",
    "fastapi": "serve",
    "gguf": "gguf",
    "hivemind": "swarm",
    "httpx": "serve",
    "huggingface_hub": "finetune",
    "jinja2": "finetune",
    "matplotlib": "finetune",
    "msgpack": "swarm",
    "numpy": "finetune",
    "packaging": "swarm",
    "prometheus_client": "swarm",
    "safetensors": "finetune",
    "tokenizers": "finetune",
    "torch": "finetune",
    "transformers": "finetune",
    "uvicorn": "serve",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
}


class _Console(Console):
    """A rich console that leaves a broken pipe to `run`."""

    def on_broken_pipe(self) -> NoReturn:
        """Let `run` decide, where rich would end the process."""
        raise BrokenPipeError(errno.EPIPE, "nobody reads this output")


@dataclass(frozen=True, slots=True)
class Torchrun:
    """What `torchrun` tells each process that it starts."""

    rank: int
    world_size: int
    local_rank: int
    "Among the processes on this machine."

    local_world_size: int
    attempt: int
    "How often torchrun has started the job again."

    address: str
    "Of the machine whose torchrun keeps the store of the job."

    port: int


def is_rank() -> bool:
    """Whether `torchrun` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def torchrun() -> Torchrun | None:
    """Which rank of which job this process is; None where it is the only one."""
    if not is_rank() or os.environ["WORLD_SIZE"] == "1":
        return None
    env = os.environ
    return Torchrun(
        rank=int(env["RANK"]),
        world_size=int(env["WORLD_SIZE"]),
        local_rank=int(env["LOCAL_RANK"]),
        local_world_size=int(env["LOCAL_WORLD_SIZE"]),
        attempt=int(env["TORCHELASTIC_RESTART_COUNT"]),
        address=env["MASTER_ADDR"],
        port=int(env["MASTER_PORT"]),
    )


def completion(variable: str) -> tuple[str, str] | None:
    """What a shell's completion asks in `variable`, and the words so far; None when none does."""
    instruction = os.environ.get(variable)
    if not instruction:
        return None
    # zsh and fish have typer's own variable for the words.
    return instruction, os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")


@contextmanager
def muted() -> Iterator[None]:
    """Say and print nothing inside."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def leave(code: int) -> NoReturn:
    """End the command with this exit code and without a word."""
    raise typer.Exit(code)


def misused(message: str) -> NoReturn:
    """End the command as one whose flags do not go together."""
    raise typer.BadParameter(message)


def exit_code(error: BaseException) -> int:
    """The exit code that `run` gives an error."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    return _explain(error)[1] if isinstance(error, Exception) else FAILED


def stdout() -> Console:
    """Results go here."""
    return _console(to_stderr=False)


def stderr() -> Console:
    """Everything that is not a result goes here."""
    return _console(to_stderr=True)


def write(text: str) -> None:
    """Put data on stdout at once: as it is into a file or a pipe, visible on a terminal."""
    sys.stdout.write(data_for(sys.stdout, text))
    sys.stdout.flush()


def show(text: str) -> None:
    """Put text for a person on stdout at once; nothing in it steers a terminal, now or later."""
    write(visible(text))


def note(message: str) -> None:
    """Say something to the person, on stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"{visible(message)}\n")
        sys.stderr.flush()


def note_from_signal(message: str) -> None:
    """Say something from a signal handler: a write that it interrupted cannot be entered again."""
    try:
        note(message)
    except RuntimeError:
        os.write(sys.stderr.fileno(), f"{visible(message)}\n".encode())


def can_ask() -> bool:
    """Whether a person is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty() and stderr().is_terminal


def ask(question: str, *, default: str) -> str:
    """What a person answers, on stderr; the default for an empty line."""
    sys.stderr.write(visible(f"{question} [{default}]: "))
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip() or default


def emit(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str | None = None) -> None:
    """Print records: one JSON document for machines, a table for people, and for them nothing of none."""
    if as_json:
        write(json.dumps(list(rows), ensure_ascii=False, default=str) + "\n")
        return
    if not rows:
        return
    if len(rows) >= LONG_TABLE and title is None and (text := long_table(rows, stdout().width)):
        write(text)
    else:
        stdout().print(table(rows, title))


def watch(tables: Iterable[Sequence[Mapping[str, Any]]], *, title: str) -> None:
    """Show each table in the place of the one before, on a terminal."""
    with Live(console=stdout(), auto_refresh=False) as live:
        for rows in tables:
            live.update(table(rows, title), refresh=True)


@contextmanager
def without_notes_of(logger: str) -> Iterator[None]:
    """Do not show what a logger says; other handlers still hear it."""

    def other(record: logging.LogRecord) -> bool:
        return record.name != logger

    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _NoteHandler)]
    for handler in handlers:
        handler.addFilter(other)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(other)


def progress() -> Progress:
    """A progress bar on stderr; silent where stderr is not a terminal."""
    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=console,
        disable=not console.is_terminal,
    )


def run(
    app: typer.Typer,
    argv: Sequence[str] | None = None,
    *,
    name: str,
    within: AbstractContextManager[None] | None = None,
) -> int:
    """Run a typer app and turn whatever happens into an exit code and at most one line on stderr.

    `--debug` may stand anywhere on the command line; it adds debug logs and tracebacks. The command is
    parsed and run inside `within`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _configure_logging(debug=debug)
    # What Python's last step would look through for garbage ends with the process: seconds on a busy machine.
    atexit.register(gc.freeze)
    with heard_sigterm():
        return _exit_code(
            lambda: _invoke(app, arguments, name=name, within=within or nullcontext()), debug=debug
        )


def _invoke(
    app: typer.Typer, arguments: list[str], *, name: str, within: AbstractContextManager[None]
) -> object:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed; redirect it to a file or to /dev/null")
    # Not Command.main: it ends the process by itself on a broken pipe and hides Ctrl-C.
    command = command_of(app)
    with within, command.make_context(name, arguments) as context:
        result: object = command.invoke(context)
        sys.stdout.flush()
    return result


def _exit_code(call: Callable[[], object], *, debug: bool) -> int:
    try:
        result = call()
    except typer.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        _drop_output()
        note("stopped: nobody reads the output any more")
        return 0
    except Terminated:
        note("ended by SIGTERM")
        return TERMINATED
    except (KeyboardInterrupt, typer.Abort):
        note("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the border between the program and a person
        if debug:
            traceback.print_exc()
        message, code = _explain(error)
        if isinstance(error, OSError):
            _settle_output()
        note(message if "\n" in message else f"error: {message}")
        return code
    return result if isinstance(result, int) else 0


def _settle_output() -> None:
    """Write what is still buffered, or give it up where the device takes no more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """Stdout goes nowhere from here on, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _explain(error: Exception) -> tuple[str, int]:
    """The line to show and the exit code."""
    if isinstance(error, Node0Error):
        return _one_line(str(error)), error.exit_code
    if hasattr(error, "format_message"):
        return _usage(error, error.format_message()), USAGE
    if isinstance(error, OSError) and error.strerror:
        return _one_line(_of_system(error)), FAILED
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRA_OF_PACKAGE.get(error.name or "")):
        return f"{error.name} is not installed; run: pip install 'gastown-finetune[{extra}]'", FAILED
    kind = type(error).__name__
    text = _one_line(str(error))[:300]
    return f"unexpected {kind}: {text}; run again with --debug to see where", FAILED


def _of_system(error: OSError) -> str:
    """What the system said, of which file, and what to do."""
    # A rename names two files; the second is the one that was asked for.
    place = error.filename2 or error.filename
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{error.strerror}{f': {place}' if place else ''}{f'; {remedy}' if remedy else ''}"


def _usage(error: Exception, message: str) -> str:
    """The usage error in one line; the whole help where the command was called without anything."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return message
    context = getattr(error, "ctx", None)
    hint = f"; see: {context.command_path} --help" if context else ""
    return _one_line(message).rstrip(".") + hint


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _console(*, to_stderr: bool) -> Console:
    no_color = bool(os.environ.get("NO_COLOR"))
    console = _Console(
        stderr=to_stderr, soft_wrap=True, highlight=False, color_system=None if no_color else "auto"
    )
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


class _NoteHandler(logging.Handler):
    """Logs go where notes go, also when stderr is replaced later."""

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


def _configure_logging(*, debug: bool) -> None:
    """Our own records from INFO, other packages' from WARNING; one step lower with --debug."""
    root = logging.getLogger()
    if not any(isinstance(handler, _NoteHandler) for handler in root.handlers):
        root.addHandler(_NoteHandler())
    root.setLevel(logging.INFO if debug else logging.WARNING)
    logging.getLogger("node0").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if debug else logging.ERROR)
