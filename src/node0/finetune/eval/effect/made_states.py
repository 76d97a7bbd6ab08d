# SPDX-License-Identifier: Apache-2.0
"""Made states: throwaway places in which commands of bd and git have something to do.

The town's own state at a recorded call is gone, so a script is tried in several that are made: whatever it
names is there, in one condition after the other, among things of every other kind. What two scripts do alike
in all of them depends on none of the conditions.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from node0.finetune.eval.effect.script import BEAD, LARGEST, NUMBER, Script
from node0.finetune.eval.suite.item import Bead, Setup

MOST_WORDS = 20
"Names for which things are made; a script that names more is not tried."

STATUSES = ("open", "in_progress", "blocked", "closed", "hooked", "deferred")
TYPES = ("task", "bug", "epic", "feature")
REF_COMMANDS = frozenset(
    {"branch", "cherry-pick", "fetch", "merge", "pull", "push", "rebase", "revert", "switch", "tag"}
)
FILE_COMMANDS = frozenset({"add", "mv", "restore", "rm"})
_NAME = re.compile(r"\w[\w./-]*")
_HASH = re.compile(r"[0-9a-f]{7,40}")
_ENDING = re.compile(r"\.\w+$")
"Of a file's name."

_KNOWN_REFS = frozenset({"HEAD", "main", "origin", "origin/main", "FETCH_HEAD", "ORIG_HEAD"})


@dataclass(frozen=True)
class MadeState:
    """One place."""

    setup: Setup
    place: str = "."
    "Where a script is run."


def made_states(scripts: Sequence[Script]) -> list[MadeState]:
    """The states that these scripts are tried in, one after the other; none where they name too much."""
    words = frozenset().union(*(script.words for script in scripts))
    if len(words) > MOST_WORDS:
        return []
    programs = frozenset().union(*(script.programs for script in scripts))
    beads = list(_stores(words)) if "bd" in programs else [()] * 4
    if "git" not in programs:
        return [MadeState(Setup(beads=each)) for each in beads]
    repositories = _repositories(
        _files(scripts, words),
        _refs(scripts, words),
        tags=_words_of(scripts, frozenset({"tag"})),
        history=_history(any(map(NUMBER.fullmatch, words))),
        with_beads="bd" in programs,
    )
    return [
        MadeState(state.setup.model_copy(update={"beads": each}), state.place)
        for state, each in zip(repositories, beads, strict=True)
    ]


def _stores(words: frozenset[str]) -> Iterator[tuple[Bead, ...]]:
    """Stores in which the named beads are open, worked on, closed, or blocked and above an open child."""
    names = sorted(word for word in words if BEAD.fullmatch(word))
    others = sorted(word for word in words - set(names) if not word.startswith("-"))
    crowd = tuple(_crowd(others))
    yield (*crowd, *(_bead(name, "open") for name in names))
    yield (*crowd, *(_bead(name, "in_progress", assignee="me", labels=others) for name in names))
    yield (*crowd, *(_bead(name, "closed") for name in names))
    children = [_bead(f"{name}.9", "open", parent=name) for name in names if f"{name}.9" not in names]
    yield (*crowd, *(_bead(name, "open", needs=(crowd[0].id,)) for name in names), *children)


def _crowd(words: Sequence[str]) -> Iterator[Bead]:
    """Beads of every status and type, so that no filter shows the same as another by chance."""
    number = 0
    for status, kind in product(STATUSES, TYPES):
        number += 1
        yield _bead(f"zz-{number:03}", status, type=kind, priority=number % 5)
    for word in words:
        for more in ({"labels": (word,)}, {"assignee": word}):
            number += 1
            yield _bead(f"zz-{number:03}", STATUSES[number % 2], priority=number % 5, **more)


def _bead(name: str, status: str, **more: object) -> Bead:
    return Bead.model_validate({"id": name, "title": f"About {name}", "status": status, **more})


def _files(scripts: Sequence[Script], words: frozenset[str]) -> list[str]:
    """Words that may be files: those that stand where a file stands, or that no command takes for a ref."""
    refs = _words_of(scripts, REF_COMMANDS) | _new_branches(scripts) | _KNOWN_REFS
    found = {word.rstrip("/") for word in words - refs if _is_name(word) and not _is_of_remote(word)}
    return sorted(name for name in found if not any(other.startswith(f"{name}/") for other in found))


def _refs(scripts: Sequence[Script], words: frozenset[str]) -> list[str]:
    """Words that may be branches: those that stand where one stands, or that no command takes for a file."""
    parts = {part.removeprefix("origin/") for word in words for part in re.split(r"\.{2,3}", word)}
    files = _words_of(scripts, FILE_COMMANDS) | {word for word in words if _ENDING.search(word)}
    return sorted(word for word in parts - files - _new_branches(scripts) - _KNOWN_REFS if _is_name(word))


def _is_name(word: str) -> bool:
    """Whether a thing may be made under it: a commit's hash names one that cannot be made."""
    return _NAME.fullmatch(word) is not None and _HASH.fullmatch(word) is None and not word.isdigit()


def _is_of_remote(word: str) -> bool:
    return word.startswith("origin/") or ".." in word


def _words_of(scripts: Sequence[Script], commands: frozenset[str]) -> set[str]:
    """Words that are given to these commands of git, but for names of files."""
    return {
        word
        for script in scripts
        for program, action, *words in script.commands
        if program == "git" and action in commands
        for word in words
        if not word.startswith("-") and (commands is FILE_COMMANDS or not _ENDING.search(word))
    }


def _new_branches(scripts: Sequence[Script]) -> set[str]:
    """Branches that a script makes, which are not there before."""
    makes = {"-b", "-B", "-c", "-C", "--create", "--force-create"}
    return {
        after
        for script in scripts
        for program, action, *words in script.commands
        if program == "git" and action in ("checkout", "switch")
        for word, after in pairwise(words)
        if word in makes
    }


def _repositories(
    files: Sequence[str], refs: Sequence[str], *, tags: set[str], history: str, with_beads: bool
) -> list[MadeState]:
    """Four repositories: worked on; with fresh files and ahead; on a topic; apart from its remote."""
    quoted = [shlex.quote(name) for name in files]
    # A word that may be either is a file in the first two and a branch in the others: git refuses both.
    beside = [name for name in files if name not in refs]
    tracked = _texts(files)
    # A name without an ending may be a directory's too.
    deep = _texts([name if _ENDING.search(name) else f"{name}/one.txt" for name in beside])
    # The throwaway bd has its store in the directory that it is called in.
    place = "." if with_beads else "sub"
    below = {} if with_beads else {f"sub/{path}": text for path, text in deep.items()}
    worked = "".join(f"echo staged >> {name}\ngit add {name}\necho more >> {name}\n" for name in quoted)
    fresh = "".join(f"mkdir -p $(dirname {name})\necho fresh > {name}\n" for name in quoted)
    aside = "".join(_tag(name) if name in tags else _branch(name, is_apart=True) for name in refs)
    ahead = "".join(_branch(name) for name in refs if name not in tags)
    inside = "".join(f"echo more >> {shlex.quote(path)}\n" for path in ("sub/here.txt", *below))
    last = Setup(
        git=True,
        files={**deep, **below, "sub/here.txt": "here\n"},
        commands=f"{history}{_APART}{ahead}echo more >> README.md\n{inside}",
    )
    return [
        MadeState(Setup(git=True, files=tracked, commands=f"{history}{_WORK}{worked}")),
        MadeState(Setup(git=True, commands=f"{history}{_commit('ahead')}{fresh}")),
        MadeState(Setup(git=True, files=deep, commands=f"{history}{aside}{_TOPIC}")),
        MadeState(last, place),
    ]


def _texts(paths: Sequence[str]) -> dict[str, str]:
    return {path: f"{path}\n" for path in paths}


def _commit(name: str) -> str:
    return f"echo {name} > {name}.txt\ngit add {name}.txt\ngit commit -qm 'Add {name}'\n"


def _branch(name: str, *, is_apart: bool = False) -> str:
    """A branch with a commit of its own that is pushed, where a branch may have this name.

    is_apart: it begins before the last commit on main, and has been amended since it was pushed.
    """
    quoted, start = shlex.quote(name), "HEAD~1" if is_apart else "HEAD"
    made = f"echo {quoted} > own.txt; git add own.txt; git commit -qm own; git push -q origin {quoted}"
    amended = "git commit -q --amend -m amended; " if is_apart else ""
    return (
        f"if git checkout -qb {quoted} {start} 2>/dev/null; then {made}; {amended}git checkout -q main; fi\n"
    )


def _tag(name: str) -> str:
    return f"git tag {shlex.quote(name)} HEAD~1 2>/dev/null || true\n"


def _history(is_long: bool) -> str:
    """Commits on main that change nothing: more of them than a script may count, where it counts any."""
    count = LARGEST + 3 if is_long else 3
    lines = [
        f"commit refs/heads/main\ncommitter agent <agent@town.example> 1767600000 +0000\n"
        f"data {len(message)}\n{message}\n" + ("from refs/heads/main^0\n" if number == 0 else "")
        for number in range(count)
        if (message := f"Step {number}\n")
    ]
    return f"git fast-import --quiet <<'END'\n{''.join(lines)}\nEND\ngit push -q\ngit tag first HEAD~2\n"


_WORK = (
    "echo more >> README.md\necho more >> calc.py\ngit add calc.py\n"
    "echo new > notes.txt\nmkdir drafts\necho new > drafts/one.txt\n"
)
_TOPIC = (
    "git checkout -qb topic-0\n"
    + _commit("topic")
    + "git push -q -u origin topic-0\ngit commit -q --amend -m 'Add it better'\ngit checkout -q main\n"
    + _commit("later")
    + "git checkout -q topic-0\necho kept >> README.md\ngit stash -q\n"
)
_APART = (
    "git checkout -q --detach\n" + _commit("theirs") + "git push -q origin HEAD:main\ngit checkout -q main\n"
    "git update-ref refs/remotes/origin/main main\n" + _commit("ours")
)
