# SPDX-License-Identifier: Apache-2.0
"""Check a town's programs: whether they are there, new enough, and work with each other.

The bounds of gt's own are from its sources (internal/deps); what does not work together was seen
(docs/gastown-notes.md).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from node0.check_result import CheckResult, bad, note, ok
from node0.finetune.gastown.programs import Program, Version, find_program, spelled

OLDEST: Mapping[str, Version] = {"bd": (0, 57, 0), "dolt": (1, 82, 4)}
"What gt asks for."

NEEDED = ("gt", "bd", "dolt", "tmux")
HARNESSES = ("claude", "opencode", "pi")

Find = Callable[[str], Program]


class Misfit(NamedTuple):
    """Two programs that do not work together from these versions on, and up to those."""

    older: str
    up_to: Version
    newer: str
    since: Version
    why: str
    do: str

    def applies(self, programs: Mapping[str, Program]) -> bool:
        """Whether it is these two; a version that nobody knows is no misfit."""
        older, newer = programs[self.older].version, programs[self.newer].version
        return older is not None and newer is not None and older <= self.up_to and newer >= self.since


MISFITS = (
    Misfit(
        "gt",
        (1, 0, 1),
        "bd",
        (1, 0, 3),
        "gt sets issue_prefix with `bd config set`, which that bd refuses: new towns and rigs get no beads",
        "install bd 1.0.2 or older, or a newer gt",
    ),
)


def program_checks(find: Find = find_program) -> Iterator[CheckResult]:
    """Every check of programs: those that a town needs, what does not fit, and the harnesses."""
    programs = {name: find(name) for name in NEEDED}
    yield from map(_present, programs.values())
    yield from fits(programs)
    yield _harnesses([find(name) for name in HARNESSES])


def fits(programs: Mapping[str, Program]) -> Iterator[CheckResult]:
    """Whether gt and bd, by these versions, work together."""
    pair = f"{programs['gt'].spelled} with {programs['bd'].spelled}"
    found = [one for one in MISFITS if one.applies(programs)]
    for one in found:
        yield bad("versions", f"{pair}: {one.why}", one.do)
    missing = [name for name in ("gt", "bd") if programs[name].path is None]
    if missing:
        yield note("versions", f"not compared: no {' and no '.join(missing)} on PATH", "node0 town doctor")
    elif any(programs[name].version is None for name in ("gt", "bd")):
        yield note("versions", f"{pair}: not compared", "run gt version and bd version by hand")
    elif not found:
        yield ok("versions", f"{pair}: nothing known against it")


def _present(program: Program) -> CheckResult:
    name, oldest = program.name, OLDEST.get(program.name)
    if program.path is None:
        return bad(name, "not on PATH", f"install {name}, or mend PATH")
    if program.version is None:
        return note(name, f"{program.path} says no version", f"run {program.path} by hand")
    if oldest is not None and program.version < oldest:
        return bad(name, f"{program.spelled} is too old for gt", f"install {name} {spelled(oldest)} or newer")
    return ok(name, f"{spelled(program.version)} at {program.path}")


def _harnesses(programs: list[Program]) -> CheckResult:
    found = [program.spelled for program in programs if program.path is not None]
    if not found:
        names = ", ".join(HARNESSES)
        return bad(
            "harness", f"none of {names} on PATH", "install one: without it no agent of a model starts"
        )
    return ok("harness", ", ".join(found))
