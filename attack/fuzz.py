# SPDX-License-Identifier: Apache-2.0
"""Give a reader mutated documents, in a process of its own under bounds, and shrink what it falls over.

A reader may take a document or refuse it with a domain error of one line, within 2 s of computing and
500 MB. Anything else is a fall: another exception, more time, more memory, or the end of the process.
"""

import json
import multiprocessing
import os
import re
import resource
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from attack.round import Chance, Fall, Outcome
from node0.errors import Node0Error

SECONDS = 2.0
MIB = 500
BATCH = 100
"Documents of one seed."

MOST_FALLS = 5
"Different falls after which a reader has had enough; what falls in the same way again is passed over."

GRACE = 30.0
"Seconds for the last document, and for shrinking, beyond a round's own."

OTHERS = 60.0
"Further seconds, where others have the cores: what the last document may take is counted in computing."

LONGEST_LINE = 4000
SHRINK = (Phase.generate, Phase.shrink)
INPUT, TOLD = "input", "told.json"


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that reads what somebody else wrote."""

    documents: st.SearchStrategy[bytes]
    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...] = (Node0Error,)


class TooSlow(BaseException):
    """More than `SECONDS` of computing."""


def fuzz(make: Callable[[Path], Reader], chance: Chance) -> Outcome:
    """Attack the reader that `make` builds in an empty directory, until the time is over."""
    child = multiprocessing.get_context("fork").Process(target=_attack, args=(make, chance))
    child.start()
    child.join(chance.seconds + GRACE + OTHERS)
    if child.is_alive():
        child.kill()
        child.join()
        return _ended(chance.place, "it did not come back")
    if child.exitcode != 0:
        return _ended(chance.place, f"the process ended with {child.exitcode}")
    told = json.loads((chance.place / TOLD).read_text())
    falls = [Fall(each["what"], bytes.fromhex(each["data"])) for each in told["falls"]]
    return Outcome(told["tried"], told["refused"], falls)


def replay(make: Callable[[Path], Reader], data: bytes) -> None:
    """Give one document to a reader, without bounds; whatever it raises comes through."""
    with tempfile.TemporaryDirectory(prefix="n0a") as place:
        make(Path(place)).read(data)


def _ended(place: Path, why: str) -> Outcome:
    last = place / INPUT
    return Outcome(falls=[Fall(why, last.read_bytes() if last.is_file() else b"")])


def _attack(make: Callable[[Path], Reader], chance: Chance) -> None:
    warnings.simplefilter("ignore")
    inside = chance.place / "inside"
    inside.mkdir()
    os.chdir(inside)
    # What readers say of a document is for a person, who sees the table.
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    attack = _Attack(make(inside), chance.place)
    _bound_memory()
    signal.signal(signal.SIGPROF, _too_slow)
    until = time.monotonic() + chance.seconds
    number = chance.seed * 1000
    while time.monotonic() < until and len(attack.outcome.falls) < MOST_FALLS:
        number += 1
        attack.batch(number, until)
    falls = [{"what": each.what, "data": each.data.hex()} for each in attack.outcome.falls]
    told = {"tried": attack.outcome.tried, "refused": attack.outcome.refused, "falls": falls}
    (chance.place / TOLD).write_text(json.dumps(told))


class _Attack:
    def __init__(self, reader: Reader, place: Path) -> None:
        self._reader, self._place = reader, place
        self._last: Fall | None = None
        self._known: set[str] = set()
        self.outcome = Outcome()

    def batch(self, number: int, until: float) -> None:
        """Try a hundred documents; the smallest that falls is kept."""
        self._last = None

        @seed(number)
        @settings(
            max_examples=BATCH, deadline=None, database=None, phases=SHRINK, report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(self._reader.documents)
        def attempt(data: bytes) -> None:
            # The same documents fall again while they are made smaller, for half of the grace.
            if time.monotonic() < until + (0.0 if self._last is None else GRACE / 2):
                self._try(data)

        try:
            attempt()
        except Exception as error:  # noqa: BLE001  # the round's table tells it
            fall = self._last or Fall(f"the attack itself: {error!r}")
            self._known.add(_kind_of(fall.what))
            self.outcome.falls.append(fall)

    def _try(self, data: bytes) -> None:
        (self._place / INPUT).write_bytes(data)
        self.outcome.tried += 1
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            self._reader.read(data)
        except self._reader.refuses as error:
            self.outcome.refused += 1
            self._require(data, "\n" not in str(error), f"more than one line: {str(error)[:200]!r}")
            self._require(data, len(str(error)) < LONGEST_LINE, f"a line of {len(str(error))} characters")
        except TooSlow:
            self._require(data, False, f"it takes more than {SECONDS:g} s")
        except BaseException as error:  # noqa: BLE001  # that is what is looked for
            self._require(data, False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _require(self, data: bytes, held: bool, otherwise: str) -> None:
        if not held and _kind_of(otherwise) not in self._known:
            self._last = Fall(otherwise, data)
            raise AssertionError(otherwise)


def _kind_of(what: str) -> str:
    """What falls of one kind have in common: their words, without the values in them."""
    return re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", what)[:60]


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + (MIB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))


def _too_slow(number: int, frame: Any) -> None:
    raise TooSlow
