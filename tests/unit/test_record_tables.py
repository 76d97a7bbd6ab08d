# SPDX-License-Identifier: Apache-2.0
import io

from rich.console import Console

from node0.record_tables import long_table, table


def printed(rows: list[dict[str, object]], *, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(rows, None))
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO


def test_a_long_table_is_laid_out_as_a_short_one() -> None:
    rows: list[dict[str, object]] = [
        {"NAME": f"n{number}", "WORDS": text}
        for number, text in enumerate(["日本", None, "", "[red]x", "\x1b[2J", 3.5])
    ]

    assert long_table(rows, 80) == printed(rows)
    assert "\x1b" not in printed(rows)


def test_a_table_whose_cells_must_be_folded_is_left_to_rich() -> None:
    assert long_table([{"NAME": "n" * 20}], 12) is None
    assert long_table([{"A": "two\nlines"}], 80) is None
