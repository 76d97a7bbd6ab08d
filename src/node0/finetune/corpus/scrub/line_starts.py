# SPDX-License-Identifier: Apache-2.0
"""Tell a line that begins something of its own from one that goes on with a broken word."""

import re

from node0.finetune.corpus.scrub.word_likeness import word_evidence

LOOK = 64
SETTING = re.compile(
    r"(?:export |set |setenv |ENV |ARG |- |\$env:)?[\"']?(?P<name>[A-Za-z_][\w.-]{1,40})[\"']?"
    r"(?:\s?(?::=|=>|[:=]\s)|:$|=(?=[^=\s]))",
    re.ASCII,
)
OWN_FORM = re.compile(
    r"[A-Za-z][A-Za-z+.-]{1,14}://"
    r"|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]*[a-z]{2}(?![\w@])"
    r"|\d{1,6}(?:[.:/T-]\d{1,6})+(?:Z|[+-]\d\d:?\d\d)?(?![\w+/=])"
    r"|v?\d{1,6}(?:\.\d{1,6})+(?![\w+/=])|\d{1,3}[.)] "
    r"|[a-z]{2,8}(?:-[a-z0-9]{2,8}){1,3}(?![\w+/=.-])"
    r"|/(?:usr|bin|etc|home|Users|var|opt|srv|tmp|root|mnt|dev|proc|app|work)/"
    r"|(?:def|class|import|from|return|if|for|while|else|const|let|var|func|fn|type|use|package|async|raise|throw"
    r"|print|public|private|static)[ :]"
    r"|[$#%>] |[\[({<})\]]|--?[a-z][a-z-]{1,20}(?=[\s=]|$)",
    re.ASCII,
)
"An address, a mail address, a date, a time, a version, a bead, a prompt, a bracket or an option."

PATH = re.compile(r"(?:[.~]{0,2}|[\w.-]{2,20})(?:/[\w.-]{2,40}){2,}(?![\w+=/-])", re.ASCII)
WORD = re.compile(r"([A-Za-z0-9_.-]{5,})(?:(?P<more>[ (:])|$)", re.ASCII)
CERTAIN = 8.0
"Bits of evidence that a word with more behind it is no piece of a token: of 2^n pieces one has n bits."

CERTAIN_ALONE = 14.0
"As CERTAIN, where the line ends with the word as a token's last piece would."


def _is_of_one_case(name: str) -> bool:
    return name in (name.lower(), name.upper())


def begins_anew(text: str, at: int, *, words: bool = True) -> bool:
    """Whether what stands from `at` on is a setting, a path, an address or a date, and no piece of a token.

    Args:
        words: Whether a name or a word tells too; of long tokens, some piece reads as one.
    """
    line = text[at : at + LOOK].partition("\n")[0]
    setting = SETTING.match(line)
    if setting and word_evidence(setting["name"]) > (0 if _is_of_one_case(setting["name"]) else CERTAIN):
        return True
    if OWN_FORM.match(line):
        return True
    path = PATH.match(line)
    if path and word_evidence(path.group()) > 0:
        return True
    word = WORD.match(line) if words else None
    return bool(word and word_evidence(word.group(1)) >= (CERTAIN if word["more"] else CERTAIN_ALONE))
