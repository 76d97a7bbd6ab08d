# SPDX-License-Identifier: Apache-2.0
"""Tell the name of a test behind its result from a password: both stand behind the word pass.

In capitals the word is a result. In small letters it is the name of a password first, and a result only
where the lines themselves say that tests ran: the line ends with a time or with ok, or the one above or
below it begins with how another test ended.
"""

import re

from node0.finetune.corpus.scrub.word_likeness import reads_as_words

LINE = 200
BEFORE_RESULT = 32
"Characters before a value that are looked at for a login, and for how a test ended."

ENDED = r"X?(?:PASS|FAIL)(?:ED)?(?:[\s:|]|\\t){1,4}\\{0,7}[\"'`]?$"
RESULT = re.compile(r"(?:^|[\s|:\]]|\\[nrt])" + ENDED)
"How a test ended, before its name."

RESULT_ALONE = re.compile(r"(?:^|[\n\r]|\\[nr])[ \t]{0,12}(?:[|\u2713\u2714] )?" + ENDED)
"The same at the beginning of a line."

LOGIN = re.compile(r"\bUSER ")
"Of FTP, POP3 and IRC (RFC 959, RFC 1939, RFC 2812): a password follows it."

APART = re.compile(r"[a-z]{2,32}(?:[-_./:]{1,2}(?:[a-z]{1,32}|\d{1,4}))+")
"Words in small letters, each number apart from them, as people seldom choose passwords."

BREAK = r"(?:[\r\n]|\\r|\\n)"
SMALL = re.compile(rf"(?:^|{BREAK})[ \t]{{0,12}}x?pass(?:ed)?[ \t]?:?[ \t]{{1,2}}$")
"A result in small letters at the beginning of a line."

TIME = r"[(\[]\d{1,6}(?:\.\d{1,6})?[ \t]?(?:[mu\u00b5]?s|sec)[)\]]"
TAKEN = re.compile(rf"[ \t]{{1,4}}(?:\.{{2,8}}[ \t]|-[ \t])?(?:ok|passed|{TIME})[ \t]{{0,4}}(?:{BREAK}|$)")
"A time or a verdict, and the end of the line."

OTHER = r"[ \t]{0,12}(?:x?fail(?:ed)?|skip(?:ped)?|xpass(?:ed)?|not ok)[ \t]?:?[ \t]{1,2}[\w.]"
ABOVE = re.compile(rf"(?:^|{BREAK}){OTHER}[^\r\n\\]{{0,120}}(?:\r?\n|\\n)[^\r\n\\]{{0,40}}$")
BELOW = re.compile(rf"[^\r\n\\]{{0,120}}(?:\r?\n|\\n){OTHER}")
"Another result in the line above or below."

ACCOUNT = re.compile(
    r"(?i)\b(?:user|login|account|e?-?mail|host|port|database|db|url)[\w-]{0,12}[\"']?[ \t]{0,4}[:=]"
)
"What a password stands beside."


def names_a_test(match: re.Match[str], result: re.Pattern[str] = RESULT) -> bool:
    """Whether words stand behind how a test ended: they say which test that was."""
    start, end = match.span("secret")
    before = match.string[max(0, start - LINE) : start]
    if not reads_as_words(match.group("secret")) or LOGIN.search(before):
        return False
    return bool(result.search(before[-BEFORE_RESULT:])) or names_a_test_that_ran(match.string, start, end)


def names_a_test_that_ran(text: str, start: int, end: int) -> bool:
    """Whether words stand behind a result in small letters, where the lines around say that tests ran."""
    before, after = text[max(0, start - LINE) : start], text[end : end + LINE]
    if not SMALL.search(before[-BEFORE_RESULT:]) or not APART.fullmatch(text, start, end):
        return False
    if ACCOUNT.search(before) or ACCOUNT.search(after) or not reads_as_words(text[start:end]):
        return False
    return bool(TAKEN.match(after) or BELOW.match(after) or ABOVE.search(before))
