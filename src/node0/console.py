# SPDX-License-Identifier: Apache-2.0
"""The one place that talks to a person: tables, JSON, progress, errors and exit codes.

Exit codes: 0 done, 1 a person or a setting must change, 2 usage, 3 a gate refused,
75 try again later, 130 interrupted.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from node0.errors import Node0Error

INTERRUPTED = 130
USAGE = 2


def stdout() -> Console:
    """Results go here."""
    return Console(soft_wrap=True, highlight=False)


def stderr() -> Console:
    """Everything that is not a result goes here."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def note(message: str) -> None:
    """Say something to the person, on stderr."""
    stderr().print(message, markup=False)


def emit(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str | None = None) -> None:
    """Print records: one JSON document for machines, a table for people."""
    if as_json:
        sys.stdout.write(json.dumps(list(rows), ensure_ascii=False, default=str) + "\n")
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        table.add_column(str(column), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    stdout().print(table)


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


def run(app: typer.Typer, argv: Sequence[str] | None = None, *, name: str) -> int:
    """Run a typer app and turn whatever happens into an exit code and at most one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, format="%(message)s", stream=sys.stderr)
    command = typer.main.get_command(app)
    return _exit_code(lambda: command.main(args=arguments, prog_name=name, standalone_mode=False), debug=debug)


def _exit_code(call: Callable[[], Any], *, debug: bool) -> int:
    try:
        result = call()
    except Node0Error as error:
        if debug:
            raise
        note(f"error: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader left. Point stdout elsewhere so that the interpreter's last flush is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except typer.Exit as done:
        return done.exit_code
    except Exception as error:
        if debug or not _is_usage(error):
            raise
        note(f"error: {error.format_message()}")  # type: ignore[attr-defined]  # click's, by _is_usage
        return USAGE
    return result if isinstance(result, int) else 0


def _is_usage(error: Exception) -> bool:
    return hasattr(error, "format_message")
