# SPDX-License-Identifier: Apache-2.0
"""Take a shell command apart into simple commands, as far as checks need: no expansion, nothing is run."""

import re
import shlex

_HERE = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?\n\s*\2\s*(?=\n|$)", re.DOTALL)
_INNER = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_BREAKS = set("();|&\n{}")
_PREFIXES = frozenset({"env", "time", "exec", "nohup", "command", "then", "do", "else", "if", "while", "!"})


def simple_commands(text: str) -> list[list[str]]:
    """The words of each simple command, in order; what stands inside $(...) or backticks comes first.

    Assignments before a command, and words like `env` and `time`, are left out. Where quotes do not match,
    the text is split at blanks.
    """
    text = _HERE.sub(" ", text).replace("\\\n", " ")
    inner = [found[0] or found[1] for found in _INNER.findall(text)]
    found = [command for each in inner for command in simple_commands(each)]
    text = _INNER.sub("...", text)
    words: list[str] = []
    for token in [*_tokens(text), "\n"]:
        if token and set(token) <= _BREAKS:
            if stripped := _stripped(words):
                found.append(stripped)
            words = []
        else:
            words.append(token)
    return found


def _tokens(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        return _uncommented(list(lexer))
    except ValueError:
        return [token for line in text.splitlines() for token in [*line.split(), "\n"]]


def _uncommented(tokens: list[str]) -> list[str]:
    """The tokens without comments, which end with their line."""
    kept: list[str] = []
    inside = False
    for token in tokens:
        ends_line = "\n" in token and set(token) <= _BREAKS
        inside = (inside or re.fullmatch(r"#\S*", token) is not None) and not ends_line
        if not inside:
            kept.append(token)
    return kept


def _stripped(words: list[str]) -> list[str]:
    """A command without what stands before its program, and without redirections."""
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _PREFIXES):
        words = words[1:]
    kept: list[str] = []
    skip = False
    for word in words:
        if word and set(word) <= set("<>&"):
            skip = True
        elif skip:
            skip = False
        else:
            kept.append(word)
    return kept
