# SPDX-License-Identifier: Apache-2.0
"""Check this machine before it takes part in any run: packages, daemon, limits, space."""

import importlib.util
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from node0.check_result import CheckResult, bad, note, ok

DISTRIBUTION = "gastown-finetune"
EXTRAS = ("finetune", "swarm")
SHOWN = ("torch", "hivemind", "numpy")
"Needed, and named with their versions."

ALONE = ("torch", "numpy")
"The same on a machine that takes part in no swarm."

OLDEST_PYTHON = (3, 11)
FILES = 1024
"File handles of a process with a few dozen peers."

ROOM = 64 << 20
"Bytes of temporary space and of shared memory."

DAEMON_SECONDS = 20.0


def machine_checks(*, swarm: bool) -> Iterator[CheckResult]:
    """Every check that needs no run; with `swarm` also what only a part in one needs."""
    yield python()
    if swarm:
        yield from packages()
        yield daemon(daemon_path())
        yield file_handles()
    else:
        yield from packages(extras=("finetune",), needed=ALONE)
        advice = f"for several machines: pip install '{DISTRIBUTION}[{','.join(EXTRAS)}]'"
        yield note("swarm", "not installed, and one machine needs it not", advice)
    yield room("temporary space", Path(tempfile.gettempdir()))
    yield room("disk", Path.cwd())
    if swarm and Path("/dev/shm").is_dir():
        yield room("shared memory", Path("/dev/shm"))


def python(found: tuple[int, int] = sys.version_info[:2]) -> CheckResult:
    """Whether this interpreter is new enough, on a system that hivemind knows."""
    name = f"python {found[0]}.{found[1]} on {platform.system()} {platform.machine()}"
    if found < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return bad("python", name, f"install Python {oldest} or newer and make the environment again")
    if sys.platform == "win32":
        return bad("python", name, "run it under Linux, in WSL for instance: hivemind has no Windows version")
    return ok("python", name)


def packages(
    root: str = DISTRIBUTION, *, extras: Sequence[str] = EXTRAS, needed: Sequence[str] = SHOWN
) -> Iterator[CheckResult]:
    """Whether all that `root` needs is installed, in versions that fit each other."""
    problems = [*_missing(needed, extras or EXTRAS), *_conflicts(root, extras)]
    yield from problems
    if not problems:
        yield ok("packages", ", ".join(f"{name} {version(name)}" for name in needed))


def daemon(path: Path | None) -> CheckResult:
    """Whether libp2p's daemon runs here."""
    if path is None:
        return bad("daemon", "hivemind has no p2pd", "pip install --force-reinstall --no-deps hivemind")
    try:
        done = subprocess.run([path, "-help"], capture_output=True, timeout=DAEMON_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or f"no answer in {DAEMON_SECONDS:g} s"
        return bad("daemon", f"{path} does not run: {reason}", _other_daemon(path))
    # Go's -help ends with 0 or 2; a signal or the loader's 126 and 127 is another matter.
    if done.returncode not in (0, 2):
        return bad("daemon", f"{path} ends with {done.returncode}", _other_daemon(path))
    return ok("daemon", str(path))


def daemon_path() -> Path | None:
    """hivemind's daemon, found without importing hivemind; None where there is none."""
    package = importlib.util.find_spec("hivemind")
    folders = package.submodule_search_locations if package is not None else None
    paths = (Path(folder) / "hivemind_cli" / "p2pd" for folder in folders or ())
    return next((path for path in paths if path.is_file()), None)


def file_handles(needed: int = FILES) -> CheckResult:
    """Whether a process may open enough files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ok("file handles", "unlimited" if soft == resource.RLIM_INFINITY else str(soft))
    raised = hard == resource.RLIM_INFINITY or hard >= needed
    advice = f"ulimit -n {needed}" if raised else f"let an administrator raise nofile to {needed}"
    return bad("file handles", f"{soft} of the {needed} that a stage may need", advice)


def room(name: str, place: Path, *, needed: int = ROOM) -> CheckResult:
    """Whether a directory has space and can be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        return bad(name, f"{place} cannot be written: {error.strerror}", f"make {place} writable")
    shown = f"{free >> 20} MiB free in {place}"
    if free < needed:
        return bad(name, shown, f"free {needed >> 20} MiB there (in a container: --shm-size, --ipc=host)")
    return ok(name, shown)


def _missing(needed: Sequence[str], extras: Sequence[str]) -> list[CheckResult]:
    return [
        bad("packages", f"{name} is not installed", f"pip install '{DISTRIBUTION}[{','.join(extras)}]'")
        for name in needed
        if _version(name) is None
    ]


def _conflicts(root: str, extras: Sequence[str]) -> Iterator[CheckResult]:
    """Walk what `root` needs and what that needs; each requirement that is not met."""
    waiting, seen = [(root, tuple(extras))], {(root, tuple(extras))}
    while waiting:
        name, wanted = waiting.pop()
        for need in _requirements(name, wanted):
            found = _version(need.name)
            if found is None:
                if need.name not in SHOWN:
                    lacking = f"{name} needs {need.name}, which is missing"
                    yield bad("packages", lacking, f"pip install '{need.name}{need.specifier}'")
                continue
            if not need.specifier.contains(found, prereleases=True):
                yield bad(
                    "packages",
                    f"{name} needs {need.name}{need.specifier}, and {found} is installed",
                    f"pip install '{need.name}{need.specifier}'",
                )
            following = (canonicalize_name(need.name), tuple(sorted(need.extras)))
            if following not in seen:
                seen.add(following)
                waiting.append(following)


def _requirements(name: str, extras: Sequence[str]) -> Iterator[Requirement]:
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for text in texts:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield need


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _other_daemon(path: Path) -> str:
    return f"check that {path} is executable and made for {platform.machine()}, and reinstall hivemind"
