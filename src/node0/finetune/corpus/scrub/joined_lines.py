# SPDX-License-Identifier: Apache-2.0
"""Join lines where a terminal, an editor or an encoder may have broken a token.

Two lines are joined where one of the two words at the break is no ordinary word, or where the line is as
wide as the widest. A finding that reaches over a break is believed only as far as what follows looks like
more of the same token.
"""

import re
import string
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from operator import and_
from typing import NamedTuple

from node0.finetune.corpus.scrub.views import GAP, View, ViewBuilder

ANY_BREAK = re.compile(r"\n|\\\\{0,3}(?:r\\{1,4})?n")
INDENT = 40
"Blanks before a line that are looked past."

MARGIN = re.compile(rf"(?:[ \t]|\\{{1,4}}t){{0,{INDENT}}}" r"(?:(?:[│┃|>#*+]|//)[ \t]{1,8})?")
"What a block puts before each of its lines."

PLAIN_START = frozenset(string.ascii_letters + string.digits)
PAD = " \t\r\\│┃|"
"What may stand between a word and the break."

SIGNS = string.ascii_letters + string.digits + "_-+/=.~%:@!$&?#*^"
"What a token may hold."

MAY_BEGIN = frozenset(f"{SIGNS}│┃|>#*+/\\")
"With what a line begins that goes on with a token, or a margin."

LOOK = 64
PLAIN = re.compile(
    r"\W*(?:[A-Za-z]?[a-z]{1,18}|[A-Z]{1,18}|\d{1,4})"
    r"(?:[\W_]{1,3}(?:[A-Za-z]?[a-z]{1,18}|[A-Z]{1,18}|\d{1,4}))*\W*"
)
LETTERS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
FOLLOWERS = (
    "abcdgilmnprsty be caehklort deiou eabcdefglmnprstvxy faeior gaehior haeiou ibcdfglmnorstv kei "
    "ladeiloty maeiop nacdegiost obcdfgklmnoprstuvw paelortu qlu racdegikmostuy sacehikopstuy "
    "taehiorstuy ubcdeglmnprst vei waio xt yp"
)
"A letter and those that often follow it in words; random letters seldom do."

COMMON = frozenset(group[0] + letter for group in FOLLOWERS.split() for letter in group[1:])
SHORTEST_PIECE = 6
"What is shorter gives nothing away."

SHORT_WORD = 16
COMPLETE = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z?"
)
"A digest or a time is no part of a token."

LONGEST_WORDS = 60
NEXT_SETTING = re.compile(r"(?:export |set |- )?(?:[A-Za-z_][\w.-]{1,40}\s?[:=]\s|[A-Z_]{3,40}=\S|[\w-]+:$)")
REACH = 4200
"Characters of a line that are looked at on either side of a break; no rule reaches further."

UNKNOWN, ORDINARY, NOTHING = range(3)
"What touches a break: it has to be looked at, an ordinary word, or no part of any token."

LONGEST_WORD = 512
NARROWEST = 8
"A terminal or an encoder breaks no earlier."


@dataclass
class JoinedLines:
    """The joined lines, and where in them the breaks were."""

    view: View
    breaks: list[int] = field(default_factory=list)
    wide: set[int] = field(default_factory=set)
    "Breaks after a line of the full width."

    repeated: bool = False
    "Several lines have the full width."

    def cut_by_width(self, at: int, end: int) -> bool:
        """Whether the line before a break was full, and what follows up to `end` is more of the same."""
        alone = bool(self.inside(end - 1, end + 1)) or self.view.text[end : end + 1] in ("", "\n", '"', "'")
        return at in self.wide and end - at >= SHORTEST_PIECE and (self.repeated or alone)

    def goes_over_width(self, start: int, end: int) -> bool:
        """Whether a place goes on behind a full line with more of the same."""
        return any(self.cut_by_width(at, end) for at in self.inside(start, end))

    def is_wrapped_at(self, at: int) -> bool:
        """Whether the line before a break is one of several of the full width."""
        return self.repeated and at in self.wide

    def inside(self, start: int, end: int) -> Sequence[int]:
        """The breaks that lie inside a place of the view."""
        return self.breaks[bisect_right(self.breaks, start) : bisect_right(self.breaks, end - 1)]


class _LineBreak(NamedTuple):
    """A break that may be inside a word."""

    line_start: int
    word_end: int
    next_start: int
    resume: int
    "Where the next line begins, past its margin."

    wide: bool


def joined_lines(
    text: str, names: Collection[str] | None = None, *, is_told: Callable[[str], bool] = lambda joined: False
) -> JoinedLines | None:
    """The lines that may hold a broken token, put together; None where there are none.

    Args:
        text: Is looked through line by line.
        names: What stands before or in a token, in lower case; with them, a line that is only wider than all
            others and ends with a word is joined where one of these is near.
        is_told: Or where this says so of such a line, joined to the next.
    """
    lines, starts = _lines(text)
    if len(lines) < 2:
        return None
    candidates, repeated = _line_breaks(text, lines, starts)
    line_breaks = [
        one
        for one, is_doubtful in candidates
        if not is_doubtful or names is None or _is_near(text, one, names) or is_told(_glued(text, one))
    ]
    return _put_together(text, line_breaks, repeated=repeated) if line_breaks else None


def word_around(text: str, at: int) -> tuple[int, int]:
    """Where the word around a place begins and ends, as far as LONGEST_WORD on either side."""
    before, after = text[max(0, at - LONGEST_WORD) : at], text[at : at + LONGEST_WORD]
    start = at - len(before) + max(before.rfind(sign) for sign in " \t\n") + 1
    return start, at + (len(after.split(maxsplit=1)[0]) if after[:1].strip() else 0)


def _lines(text: str) -> tuple[list[str], list[int]]:
    """The lines, and where each begins; breaks that are all written alike are found without a pattern."""
    if "\\n" not in text:
        return _split(text, "\n")
    if not any(other in text for other in ("\n", "\\r", "\\\\")):
        return _split(text, "\\n")
    spans = [found.span() for found in ANY_BREAK.finditer(text)]
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)], starts


def _split(text: str, sign: str) -> tuple[list[str], list[int]]:
    lines = text.split(sign)
    width = len(sign)
    return lines, [0, *accumulate([len(line) + width for line in lines[:-1]])]


def _line_breaks(
    text: str, lines: Sequence[str], starts: Sequence[int]
) -> tuple[list[tuple[_LineBreak, bool]], bool]:
    """The breaks that may be inside a word, and whether several lines have the full width.

    Beside each break stands whether only the width of its line tells, and of no other line.
    """
    widths = list(map(len, lines[:-1]))
    full = max(max(widths), NARROWEST)
    repeated = widths.count(full) > 1
    line_breaks = []
    for number in _candidates(lines, widths, full):
        line, following = lines[number], lines[number + 1]
        wide = widths[number] == full
        between_words = _is_between_words(line, following)
        if between_words and not wide:
            continue
        end = starts[number] + len(line)
        line_break = _broken_word(text, starts[number], end, starts[number + 1], wide=wide)
        if line_break:
            line_breaks.append((line_break, between_words and not repeated))
    return line_breaks, repeated


def _is_near(text: str, one: _LineBreak, names: Collection[str]) -> bool:
    """Whether a name stands in the lines around a break, or just before them."""
    line = text[max(0, one.line_start - LOOK) : _line_end(text, one.word_end)]
    around = f"{line}\n{text[one.next_start : _line_end(text, one.next_start)]}".lower()
    return any(name in around for name in names)


def _glued(text: str, one: _LineBreak) -> str:
    """The lines around a break, put together there."""
    first, last = max(0, one.line_start - LOOK), _line_end(text, one.resume)
    return text[first : one.word_end] + text[one.resume : last]


def _candidates(lines: Sequence[str], widths: Sequence[int], full: int) -> Iterator[int]:
    """The lines that have the full width, or at whose end there may be no ordinary word on some side."""
    last_words = [line[-LOOK:].rpartition(" ")[2] for line in lines[:-1]]
    first_words = [line[:LOOK].lstrip().partition(" ")[0] for line in lines[1:]]
    whole = map(and_, map(_is_whole_end, last_words), map(_is_whole_start, first_words))
    for number, (between_words, width) in enumerate(zip(whole, widths, strict=True)):
        if width == full:
            yield number
        elif width and not between_words:
            head = lines[number + 1][:LOOK]
            if not _joins_nothing(last_words[number], first_words[number], head):
                yield number


def _joins_nothing(last: str, first: str, head: str) -> bool:
    """Whether no token can go over a break between two words, where the next line begins with `head`."""
    before = _before_break(last)
    behind = _behind_break(first) if before != NOTHING else NOTHING
    return behind == NOTHING or (before == behind == ORDINARY and _is_behind_blanks(first, head))


@lru_cache(maxsize=65536)
def _before_break(last: str) -> int:
    """What of a line's last word touches the break."""
    if not last or last[-1] in PAD:
        return UNKNOWN
    piece = last[len(last.rstrip(SIGNS)) :]
    return NOTHING if not piece else ORDINARY if is_plain(piece) else UNKNOWN


@lru_cache(maxsize=65536)
def _behind_break(first: str) -> int:
    """What of a line's first word touches the break."""
    if not first or first[0] not in MAY_BEGIN:
        return NOTHING
    piece = first[: len(first) - len(first.lstrip(SIGNS))]
    ordinary = first[0] in PLAIN_START and len(first) <= LOOK - INDENT and is_plain(piece)
    return ORDINARY if ordinary else UNKNOWN


def _is_behind_blanks(first: str, head: str) -> bool:
    """Whether nothing but an indent stands before the first word of a line."""
    stripped = head.lstrip(" \t")
    return len(head) - len(stripped) <= INDENT and stripped.startswith(first)


def _is_between_words(line: str, following: str) -> bool:
    """Whether whole words stand on both sides of a break, as at most breaks they do."""
    last, first = line[-LOOK:].rpartition(" ")[2], following[:LOOK].lstrip().partition(" ")[0]
    if _is_whole_end(last) and _is_whole_start(first):
        return True
    return " " in line[-SHORTEST_PIECE:] and " " in following[:SHORTEST_PIECE]


@lru_cache(maxsize=65536)
def _is_whole_end(word: str) -> bool:
    """Whether no token goes on behind the last word of a line."""
    return len(word) < SHORTEST_PIECE or (
        is_plain(word) if len(word) <= SHORT_WORD else bool(COMPLETE.fullmatch(word))
    )


@lru_cache(maxsize=65536)
def _is_whole_start(word: str) -> bool:
    """Whether no token ends with the first word of a line; there may be none."""
    return not word or (word[0] in PLAIN_START and len(word) <= SHORT_WORD and is_plain(word))


def _put_together(text: str, line_breaks: Sequence[_LineBreak], *, repeated: bool) -> JoinedLines:
    builder = ViewBuilder(text)
    breaks: list[int] = []
    wide: set[int] = set()
    pending, line = 0, -1
    for line_break in line_breaks:
        if line_break.line_start != line:
            if breaks:
                builder.copy(pending, min(_line_end(text, pending), pending + REACH))
                builder.decoded(GAP, pending, pending)
            pending = max(line_break.line_start, line_break.word_end - REACH)
            # What names a value may stand on the line before.
            builder.copy(max(0, pending - LOOK), pending)
        builder.copy(pending, line_break.word_end)
        breaks.append(builder.length)
        if line_break.wide:
            wide.add(builder.length)
        pending, line = line_break.resume, line_break.next_start
    builder.copy(pending, min(_line_end(text, pending), pending + REACH))
    return JoinedLines(builder.view(), breaks, wide, repeated)


def _line_end(text: str, start: int) -> int:
    found = ANY_BREAK.search(text, start)
    return found.start() if found else len(text)


@lru_cache(maxsize=65536)
def is_plain(word: str) -> bool:
    """Whether this reads like ordinary words or numbers, with signs between them."""
    if len(word) < SHORTEST_PIECE:
        return True
    if len(word) > LONGEST_WORDS or not PLAIN.fullmatch(word):
        return False
    letters = [part.lower() for part in LETTERS.findall(word)]
    pairs = [part[at : at + 2] for part in letters for at in range(len(part) - 1)]
    return not pairs or sum(pair in COMMON for pair in pairs) >= 0.4 * len(pairs)


def _broken_word(
    text: str, line_start: int, line_end: int, next_start: int, *, wide: bool
) -> _LineBreak | None:
    """Where the word before the break ends and the one after it begins, if they may be one."""
    window = text[max(line_start, line_end - LOOK) : line_end]
    end = line_end
    if window[-1:] in PAD:
        end -= len(window) - len(window.rstrip(PAD))
        window = window.rstrip(PAD)
    following = text[next_start : next_start + LOOK]
    resume = next_start
    if following[:1] not in PLAIN_START:
        margin = MARGIN.match(text, next_start)
        resume = margin.end() if margin else next_start
        following = text[resume : resume + LOOK]
    if not window or not following:
        return None
    line_break = _LineBreak(line_start, end, next_start, resume, wide)
    if wide:
        return line_break
    before = window[len(window.rstrip(SIGNS)) :]
    after = following[: len(following) - len(following.lstrip(SIGNS))]
    if not before or not after or (is_plain(before) and is_plain(after)):
        return None
    return None if NEXT_SETTING.match(text, resume) else line_break
