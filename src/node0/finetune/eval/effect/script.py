# SPDX-License-Identifier: Apache-2.0
"""Which calls can be tried in a made state: bd and git alone, on nothing that only the town has.

A script is taken only where every command of it is known for sure. What a shell would expand, pipes,
redirections, other programs, places outside, flags that the throwaway `bd` would not tell from none:
none of these is a script, and nothing is claimed of it.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from node0.finetune.chat.same_calls import WORDLESS, Call

LONGEST = 4000
"Characters of a script that is looked at."

LARGEST = 30
"The largest number that a script may name: a made history must be longer, or it would show the same."

_TEXTS = "title description body assignee type priority parent acceptance notes design d a t p"
_FILTERS = "type assignee parent priority label labels t a p l json"
BD_FLAGS = {
    name: frozenset(flags.split())
    for name, flags in {
        "create": f"{_TEXTS} id deps labels label silent json l",
        "update": f"{_TEXTS} status append-notes add-label remove-label claim json s",
        "close": "reason force json r f",
        "reopen": "",
        "show": "json",
        "list": f"{_FILTERS} status all s",
        "ready": _FILTERS,
        "blocked": "json",
        "dep": "type blocked-by depends-on t",
        "label": "json",
        "comment": "json",
        "comments": "json",
    }.items()
}
"Commands of bd and the flags that mean something to each; the throwaway bd passes over others."

GIT_FLAGS = {
    name: frozenset(flags.split())
    for name, flags in {
        "add": "A all u update v verbose",
        "branch": "a all r remotes v vv show-current list d D delete m M move f force u set-upstream-to",
        "checkout": "b B t track",
        "cherry-pick": "n no-commit",
        "commit": "m message a all am amend no-edit q quiet allow-empty s signoff",
        "diff": "cached staged stat name-only name-status shortstat numstat",
        "fetch": "q quiet",
        "log": "oneline n max-count stat p patch graph all decorate name-only name-status",
        "ls-files": "m modified o others exclude-standard s",
        "merge": "no-ff ff-only ff squash m no-edit",
        "mv": "",
        "pull": "rebase no-rebase",
        "push": "u set-upstream f force force-with-lease d delete tags q quiet",
        "rebase": "onto",
        "reset": "soft mixed hard q quiet",
        "restore": "staged S worktree W source s",
        "rev-parse": "short abbrev-ref verify",
        "revert": "no-edit n no-commit",
        "rm": "r f cached q",
        "show": "stat name-only name-status oneline s no-patch",
        "stash": "u include-untracked m message q k keep-index",
        "status": "s short porcelain b branch sb u uno uall untracked-files",
        "switch": "c C create force-create f",
        "symbolic-ref": "short",
        "tag": "a m d delete l list f",
    }.items()
}
"Commands of git whose effect lies in the repository and its remote, and flags that the made ones can tell."

BEAD = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+(?:\.[0-9]+)*")
"What names a bead."

NUMBER = re.compile(r"(?:-[a-z]?|--[a-z-]+=|[\w/-]*[~^])?(\d+)")
"A word that counts something, as `-5`, `--max-count=5` and `HEAD~5` do."

_BODY = re.compile(r"\"\$\(cat <<-?\s*'(\w+)'\n(.*?)\n\s*\1\s*\)\"", re.DOTALL)
"How a text of several lines is given to a flag."

_ENTERS = re.compile(r"\s*cd ([\w./~-]+)\s*&&\s*")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_QUOTED_OR_END = re.compile(rf"{_QUOTED.pattern}|\n", re.DOTALL)
_EXPANDED = re.compile(r"[$`*?\[\]{}()<>!#\\'\"]|(?<!\S)~|(?<!&)&(?!&)|(?<!\|)\|(?!\|)|&&&|\|\|\|")
"Outside quotes: what a shell takes for more than a word, or than one command after another."

_EXPANDED_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*(?:[$`!]|\\\n)|(['\"])[;&|]+\1", re.DOTALL)
"Inside double quotes a shell also drops the end of a line behind a backslash."

_LINE = " & "
_SIGNS = frozenset(";&|")
_JOINS = frozenset({"&&", "||", ";", _LINE.strip()})


@dataclass(frozen=True)
class Script:
    """Commands of bd and git, as they are run and as they are read."""

    text: str
    commands: tuple[tuple[str, ...], ...]
    "The words of each."

    place: str = ""
    "The directory that it enters first."

    @property
    def programs(self) -> frozenset[str]:
        """bd, git, or both."""
        return frozenset(command[0] for command in self.commands)

    @property
    def words(self) -> frozenset[str]:
        """Everything that its commands name; values behind `=` and items between commas by themselves."""
        named = (word for command in self.commands for word in command[2:])
        return frozenset(part for word in named for part in re.split(r"[=,]", word) if part)


def script_of(calls: Sequence[Call]) -> Script | None:
    """The script of an answer's calls; None where one of them is more than bd and git."""
    texts = [text for call in calls if (text := _command(call)) is not None]
    # Calls are shells of their own: one that fails does not keep the next one from running.
    return parsed("\n".join(texts)) if texts and len(texts) == len(calls) else None


def parsed(text: str) -> Script | None:
    """A script, if every command of it is known for sure."""
    if len(text) > LONGEST or "\0" in text:
        return None
    text, place = _BODY.sub(lambda found: shlex.quote(found.group(2)), text), ""
    if entered := _ENTERS.match(text):
        place, text = posixpath.normpath(entered.group(1)), text[entered.end() :]
    if _EXPANDED.search(_QUOTED.sub("q", text)) or any(map(_EXPANDED_QUOTED.match, _QUOTED.findall(text))):
        return None
    commands = _commands(text)
    return Script(text, commands, place) if commands and all(map(_is_known, commands)) else None


def _command(call: Call) -> str | None:
    """The command of a call of Bash and nothing else."""
    name, given = call
    fields = json.loads(given)
    if name != "Bash" or not isinstance(fields, dict) or fields.keys() - WORDLESS != {"command"}:
        return None
    return fields["command"] if isinstance(fields["command"], str) else None


def _commands(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of each command; nothing where a shell would find no command between two joins."""
    # An end of a line within quotes is part of a word; any other one is written as a sign that is not taken.
    lined = _QUOTED_OR_END.sub(lambda found: _LINE if found.group() == "\n" else found.group(), text)
    lexer = shlex.shlex(lined, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, ""
    commands: list[tuple[str, ...]] = []
    words: list[str] = []
    waits = False
    for word in [*lexer, _LINE.strip()]:
        if not set(word) <= _SIGNS or not word:
            words.append(word)
            continue
        if (word != _LINE.strip() and not words) or word not in _JOINS:
            return ()
        commands += [tuple(words)] if words else []
        waits = word in ("&&", "||") or (waits and not words)
        words = []
    return () if waits else tuple(commands)


def _is_known(command: tuple[str, ...]) -> bool:
    program, *rest = command
    tables = {"bd": BD_FLAGS, "git": GIT_FLAGS}
    if program not in tables or not rest or rest[0] not in tables[program]:
        return False
    flags = {_flag(word) for word in rest[1:] if word.startswith("-") and not NUMBER.fullmatch(word)}
    return flags <= tables[program][rest[0]] | {""} and not any(map(_is_beyond, rest[1:]))


def _flag(word: str) -> str:
    """Its name without dashes and value; of `--` nothing."""
    return word.partition("=")[0].lstrip("-")


def _is_beyond(word: str) -> bool:
    """Whether it names a place outside, or a number that no made history reaches."""
    number = NUMBER.fullmatch(word)
    is_large = number is not None and int(number.group(1)[:9]) > LARGEST
    return is_large or word.startswith(("/", "~")) or ".." in word.split("/")
