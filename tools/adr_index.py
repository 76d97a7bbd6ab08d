# SPDX-License-Identifier: Apache-2.0
"""Write the index of decisions, docs/adr/README.md, from the pages' titles and status lines."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "adr"
BEGIN, END = "<!-- index -->\n", "<!-- end of index -->\n"
TITLE = re.compile(r"# (\d+)\. (.+)")
STATUS = re.compile(r"Status: (.+)")


class Decision(NamedTuple):
    """One page: `status` is `accepted` where the page says nothing else."""

    path: Path
    number: int
    title: str
    status: str


def main() -> int:
    """Rewrite the table; 1 when the page has no place for it."""
    page = FOLDER / "README.md"
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{page.name} has no lines {BEGIN.strip()} and {END.strip()}", file=sys.stderr)
        return 1
    page.write_text(with_index(text), encoding="utf-8")
    return 0


def with_index(text: str) -> str:
    """The page's text with the table of today between the two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{index()}\n{END}{rest.partition(END)[2]}"


def index() -> str:
    """One row a decision, by number."""
    rows = [
        f"| {entry.number} | [{entry.title}]({entry.path.name}) | {entry.status} |" for entry in decisions()
    ]
    return "".join(f"{row}\n" for row in ["| number | decision | status |", "|---|---|---|", *rows])


def decisions() -> Iterator[Decision]:
    """Every page of the folder.

    Raises:
        ValueError: the first line of a page is no `# NUMBER. Title`.
    """
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        if not (title := TITLE.fullmatch(first)):
            raise ValueError(f"{path.name} begins with {first!r}; write `# NUMBER. Title`")
        status = next((found[1] for line in rest[:3] if (found := STATUS.fullmatch(line))), "accepted")
        yield Decision(path, int(title[1]), title[2], status)


if __name__ == "__main__":
    sys.exit(main())
