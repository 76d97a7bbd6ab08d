# SPDX-License-Identifier: Apache-2.0
"""Records as tables that a person reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from node0.visible import visible

LONG_TABLE = 200
"Rows from which on a table is laid out here: rich takes a millisecond and a half for each."


def long_table(rows: Sequence[Mapping[str, Any]], width: int) -> str | None:
    """What rich would print, at a tenth of its time; None where a cell must be folded."""
    cells = [
        [*map(str, rows[0])],
        *([_cell(one) for one in row.values()] for row in rows),
    ]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 > width or any("\n" in cell for row in cells for cell in row):
        return None
    head, *body = ([set_cell_size(*pair) for pair in zip(row, widths, strict=True)] for row in cells)
    lines = ["━" * (size + 2) for size in widths]
    top = [f"┏{'┳'.join(lines)}┓", f"┃ {' ┃ '.join(head)} ┃", f"┡{'╇'.join(lines)}┩"]
    end = "┴".join("─" * (size + 2) for size in widths)
    return "\n".join([*top, *(f"│ {' │ '.join(row)} │" for row in body), f"└{end}┘", ""])


def table(rows: Sequence[Mapping[str, Any]], title: str | None) -> Table:
    """One row a record; what strangers wrote is spelled out (`visible`)."""
    made = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        made.add_column(Text(str(column)), overflow="fold")
    for row in rows:
        # Text, not str: rich would read "[REDACTED:token]" as markup and swallow it.
        made.add_row(*(Text(_cell(value)) for value in row.values()))
    return made


def _cell(value: object) -> str:
    return "" if value is None else visible(str(value))
