# SPDX-License-Identifier: Apache-2.0
"""Find known values that breaks of lines go through, also with a margin on every line.

What is found so is certain, so that nothing has to be guessed about a break: not how wide the line was, nor
what its last word looks like. Words that are a part of a value tell near which breaks it is worth to look;
there, the few signs on both sides of a break tell whether a value can go through it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from node0.finetune.corpus.known.window_search import Place
from node0.finetune.corpus.scrub.joined_lines import ANY_BREAK, PAD
from node0.finetune.corpus.scrub.word_likeness import reads_as_words

INDENT = r"(?:[ \t]|\\{1,4}t){0,80}"
MARGINS = tuple(
    re.compile(rf"{INDENT}(?:(?:[\u2502\u2503|>#*+-]|//)[ \t]{{0,8}}){{{signs}}}[\"']? ?")
    for signs in range(3)
)
"""What a block, a diff or a literal puts before each of its lines, by how many signs that has: each may be
of the value too."""

END = PAD + "\"'+"
"What they put behind them."

LONGEST_MARGIN = 80
SIDES = ((2, 2), (1, 3), (3, 1))
"Signs before and behind a break that are looked up: of every value some of these."

PARTS = ((24, 12), (16, 8), (12, 6), (0, 4))
"""Signs at the end of a word that show that it may be a part of a value, by the value's length. Of a value
that one break cuts, half or more stands on one line; short parts of words stand everywhere."""

SIZES = tuple(size for _, size in PARTS)
SHORTEST_PART = min(SIZES)
RANDOM_PART = 6
"Signs that are enough of a value that looks random."

MARKS = "\"'`,;:|()[]{}<>\\\u2502"
BREAKS = ("\n", "\\n")


class _Cut(NamedTuple):
    """A value, and where it may be cut: a space in it may be lost."""

    value: str
    before: int
    after: int


class Part(NamedTuple):
    """What a word may be a part of."""

    length: int
    "Of the value."

    spaced: bool
    "It holds spaces, so that whole words of it may stand on a line."

    signed: bool
    "It holds other signs than letters: then a part of letters alone is not the one that tells."


class _Break(NamedTuple):
    """Where the line before a break ends, and where the next one begins."""

    end: int
    resume: int


class BrokenValues:
    """Looks for values over breaks.

    Args:
        values: What is looked for.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._cuts: dict[str, list[_Cut]] = {}
        self._parts: dict[str, Part] = {}
        "Of the longest value that each stands in."

        for value in (in_order := sorted(values, key=len)):
            self._parts.update(dict.fromkeys(_parts(value), _kind_of(value)))
        self._heads = {part[:SHORTEST_PART] for part in self._parts}
        self._tails = {part[-SHORTEST_PART:] for part in self._parts}
        for value in in_order:
            for at in range(1, len(value)):
                self._add(value, at)

    def part_in(self, word: str) -> Part | None:
        """What a word may be a part of."""
        parts = self._parts
        for line in word.replace("\\r", "").split("\\n") if "\\" in word else (word,):
            piece = line.strip(MARKS)
            if piece[:SHORTEST_PART] not in self._heads and piece[-SHORTEST_PART:] not in self._tails:
                continue
            for size in SIZES:
                part = parts.get(piece[:size]) or parts.get(piece[-size:])
                if part and not (part.signed and line.isalpha() and part.length - len(line) >= size):
                    return part
        return None

    def places(self, text: str, parts: Iterable[tuple[str, Part]]) -> Iterator[Place]:
        """Every place at which a value goes over a break of lines.

        Args:
            text: Is looked through around these.
            parts: Words of the text that may be parts of values, each with what `part_in` says of it.
        """
        for first, last in _stretches(text, parts):
            for place in self._places(text[first:last]):
                yield place._replace(start=first + place.start, end=first + place.end)

    def _places(self, text: str) -> Iterator[Place]:
        for lines in _line_breaks(text):
            for number, (end, resume) in enumerate(lines):
                for left, right in SIDES:
                    sides = text[max(0, end - left) : end] + text[resume : resume + right]
                    for cut in self._cuts.get(sides, ()):
                        start = _start(text, cut.value[: cut.before], lines, number)
                        stop = _stop(text, cut.value[cut.after :], lines, number)
                        if start is not None and stop is not None:
                            yield Place(start, stop, cut.value)

    def _add(self, value: str, at: int) -> None:
        before, after = value[:at].rstrip(), value[at:].lstrip()
        cut = _Cut(value, len(before), len(value) - len(after))
        for left, right in SIDES:
            if len(before) >= left and len(after) >= right:
                known = self._cuts.setdefault(before[-left:] + after[:right], [])
                if cut not in known[-2:]:
                    known.append(cut)
                return


def _kind_of(value: str) -> Part:
    spaced = " " in value
    return Part(len(value), spaced, signed=not spaced and not value.isalpha())


def _parts(value: str) -> Iterator[str]:
    """What tells that a part of a value stands somewhere: its windows, or longest words if it has spaces."""
    if " " in value:
        yield from sorted(value.split(), key=len)[-3:]
        return
    words = reads_as_words(value)
    size = next(size for length, size in PARTS if len(value) >= length and (words or size <= RANDOM_PART))
    yield from (value[at : at + size] for at in range(len(value) - size + 1))


def _stretches(text: str, parts: Iterable[tuple[str, Part]]) -> Iterator[tuple[int, int]]:
    """Around each word that stands beside a break, as far as a value may reach; those that touch are one."""
    found = []
    for word, (length, spaced, _) in parts:
        reach = 2 * length + LONGEST_MARGIN
        aside = length if spaced else 0
        at = text.find(word)
        while at >= 0:
            end = at + len(word)
            if _is_beside_break(text, at, end, aside=aside):
                found.append((max(0, at - reach), end + reach))
            at = text.find(word, end)
    first = last = 0
    for start, end in sorted(found):
        if start > last:
            yield from [(first, last)] if last else []
            first = start
        last = max(last, end)
    yield from [(first, last)] if last else []


def _is_beside_break(text: str, start: int, end: int, *, aside: int) -> bool:
    """Whether a break stands in a word, beside it with a margin, or up to so many signs `aside`."""
    before, after = text[max(0, start - LONGEST_MARGIN) : start], text[end : end + LONGEST_MARGIN]
    near = text[max(0, start - aside) : end + aside]
    return (
        any(sign in near for sign in BREAKS)
        or after.lstrip(END).startswith(BREAKS)
        or re.search(r"(?:\n|\\n)[^A-Za-z0-9]*(?:\\+t)*$", before) is not None
    )


def _line_breaks(text: str) -> Iterator[tuple[_Break, ...]]:
    """The breaks of a text, for each way in which margins may stand around them."""
    spans = [found.span() for found in ANY_BREAK.finditer(text)]
    ends = {tuple(start for start, _ in spans), tuple(_end_of_line(text, start) for start, _ in spans)}
    resumes = {tuple(_after(margin, text, stop) for _, stop in spans) for margin in MARGINS}
    for some_ends in sorted(ends):
        for some_resumes in sorted(resumes):
            yield tuple(map(_Break, some_ends, some_resumes))


def _end_of_line(text: str, at: int) -> int:
    last = text[max(0, at - LONGEST_MARGIN) : at]
    return at - (len(last) - len(last.rstrip(END)))


def _after(margin: re.Pattern[str], text: str, at: int) -> int:
    """Where a line begins behind such a margin, or else behind any."""
    found = margin.match(text, at) or MARGINS[0].match(text, at)
    return found.end() if found else at


def _stop(text: str, rest: str, lines: Sequence[_Break], number: int) -> int | None:
    """Where a value ends whose rest follows a break; it may go over more of them."""
    at = lines[number].resume
    while not text.startswith(rest, at):
        number += 1
        piece = text[at : lines[number].end] if number < len(lines) else ""
        if not piece or not rest.startswith(piece):
            return None
        rest, at = rest[len(piece) :].lstrip(), lines[number].resume
    return at + len(rest)


def _start(text: str, head: str, lines: Sequence[_Break], number: int) -> int | None:
    """Where a value begins whose head stands before a break; it may have gone over others."""
    at = lines[number].end
    while not text.endswith(head, 0, at):
        number -= 1
        piece = text[lines[number].resume : at] if number >= 0 else ""
        if not piece or not head.endswith(piece):
            return None
        head, at = head[: -len(piece)].rstrip(), lines[number].end
    return at - len(head)
