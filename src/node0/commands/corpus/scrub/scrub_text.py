# SPDX-License-Identifier: Apache-2.0
"""Scrub a text without storing it, with the settings of the town if there is one."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.commands.corpus.scrub.scrub_lines import scrub_lines
from node0.errors import NotFound
from node0.town import Town


def scrub_text(
    file: Path | None, town: Path | None, *, deny: Sequence[str], jsonl: bool, as_json: bool
) -> None:
    """Print a file, or standard input, scrubbed.

    Args:
        file: None reads standard input.
        town: None finds it; a text can be scrubbed without one.
        deny: words that always go.
        jsonl: each line is an object with a text.
        as_json: print the findings instead of the text.
    """
    scrubber = make_scrubber(deny, town=_town_if_any(town))
    if jsonl:
        for line in scrub_lines(scrubber, _lines_of(file)):
            console.write(line + "\n")
        return
    text = "".join(_lines_of(file))
    if as_json:
        console.emit([finding._asdict() for finding in scrubber.findings(text)], as_json=True)
        return
    scrubbed, found = scrubber.scrub(text)
    console.write(scrubbed)
    for what, count in sorted(Counter(found).items()):
        console.note(f"{what}: {count}")


def _town_if_any(given: Path | None) -> Town | None:
    """The town that is meant; None where none is named and none is found.

    Raises:
        NotFound: the place named is no town.
    """
    try:
        return Town.locate(given)
    except NotFound:
        if given is not None:
            raise
        return None


def _lines_of(file: Path | None) -> Iterator[str]:
    """Lines of a file, or of standard input.

    Raises:
        NotFound: there is no such file.
    """
    if file is None:
        yield from sys.stdin
        return
    if not file.is_file():
        raise NotFound(f"no file {file}: name one, or pipe the text in")
    with file.open(encoding="utf-8", errors="replace", newline="") as source:
        yield from source
