# SPDX-License-Identifier: Apache-2.0
"""A bounded queue of reports that stage hosts send unasked."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Generic, Protocol, TypeVar

from node0.errors import FrameRefused, NonRetriableError, RetriableError, SwarmTimeout
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.quoting import quoted

MOST = 4096
"Reports of one member that may wait."

MOST_BYTES = 256 << 20
LONGEST_TEXT = 1000

_ABOUT = ("attempt", "request", "session")
"Of these a failure may name one; otherwise it is the stage's own."

_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "done": {"attempt": (str,), "mb": (int,)},
    "loss": {"attempt": (str,), "mb": (int,), "loss_sum": (float, int), "n_tokens": (int,)},
    "logps": {"attempt": (str,), "mb": (int,)},
    "scores": {"request": (str,)},
    "token": {"session": (str,), "turn": (int,), "token": (int,)},
    "lost": {"peer": (str,), "why": (str,)},
    "failed": {"text": (str,), "retriable": (bool,)},
}
_WITH_TENSOR = ("logps", "scores")


class Reporter(Protocol):
    """A member that reports: `HostConnection` is one."""

    @property
    def peer_id(self) -> str:
        """The peer that it is."""
        ...

    @property
    def stage(self) -> int | None:
        """The stage that it holds; None for a spare."""
        ...


ReporterT = TypeVar("ReporterT", bound=Reporter)


class Reports(Generic[ReporterT]):
    """One queue for all members. Lives on the peer's loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[ReporterT, Frame]] = asyncio.Queue()
        self._count: Counter[ReporterT] = Counter()
        self._nbytes: Counter[ReporterT] = Counter()

    def put(self, member: ReporterT, frame: Frame) -> None:
        """Take in what a member sent.

        Raises:
            FrameRefused: it is no report, or too much of this member waits already.
        """
        report = _checked(frame)
        if self._count[member] >= MOST or self._nbytes[member] + report.nbytes > MOST_BYTES:
            raise FrameRefused(f"it reports more than is heard: {self._count[member]} frames wait")
        self._put(member, report)

    def gone(self, member: ReporterT, why: str) -> None:
        """Say that the connection to a member ended."""
        self._put(member, Frame("gone", {"why": why}))

    async def get(self) -> tuple[ReporterT, Frame]:
        """The next report, when there is one."""
        member, frame = await self._queue.get()
        self._count[member] -= 1
        self._nbytes[member] -= frame.nbytes
        return member, frame

    def discard(self) -> None:
        """Drop what waits."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._count.clear()
        self._nbytes.clear()

    def _put(self, member: ReporterT, frame: Frame) -> None:
        self._count[member] += 1
        self._nbytes[member] += frame.nbytes
        self._queue.put_nowait((member, frame))


def raise_if_over(
    member: Reporter, frame: Frame, *, part: Collection[Reporter], about: tuple[str, str]
) -> None:
    """Raise where a report ends what `about` names, such as an attempt of `part`.

    Raises:
        SwarmTimeout: one of them is lost.
        RetriableError: one failed.
        NonRetriableError: one failed, and would at another try.
    """
    if frame.kind not in ("gone", "lost", "failed") or member not in part:
        return
    named = {(name, frame.fields[name]) for name in _ABOUT if name in frame.fields}
    concerned = frame.fields.get("peer", member.peer_id)
    if (named and about not in named) or concerned not in [other.peer_id for other in part]:
        return
    error: type[Exception] = SwarmTimeout
    if about in named:
        error = RetriableError if frame["retriable"] else NonRetriableError
    why = frame["why"] if frame.kind == "gone" else quoted(frame.fields.get("text", frame.fields.get("why")))
    raise error(f"stage {member.stage} at peer {member.peer_id}: {why}")


def _checked(frame: Frame) -> Frame:
    """The report with its known fields alone, so that none is larger than it needs to be."""
    wanted = _FIELDS.get(frame.kind)
    if wanted is None:
        raise FrameRefused(f"no stage reports {quoted(frame.kind)}; run one version on all peers")
    named = {name: (str,) for name in _ABOUT if frame.kind == "failed" and name in frame.fields}
    fields = {}
    for name, types in {**wanted, **named}.items():
        value = frame[name]
        if type(value) not in types:
            raise FrameRefused(f"the {name} of a {frame.kind} report is no {types[0].__name__}")
        fields[name] = value[:LONGEST_TEXT] if isinstance(value, str) else value
    if len(frame.tensors) != (frame.kind in _WITH_TENSOR) or frame.blob:
        raise FrameRefused(f"a {frame.kind} report brings {len(frame.tensors)} tensors")
    return Frame(frame.kind, fields, frame.tensors)
