# SPDX-License-Identifier: Apache-2.0
"""The status of a run: a row for each member, refreshed on demand."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.models.stage_name import stage_names
from node0.pipeline.swarm.observe import Answer, ask, observing
from node0.swarm.peer.membership import find_records
from node0.swarm.peer.peer import Peer
from node0.swarm.records.members import MemberRecord
from node0.swarm.run.swarm_run import TRAINER, SwarmRun

SOON = 5.0
"Seconds that a member may take to answer: the others are not shown before."

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member. What it did not tell is None."""

    member: str
    "Its name in the run."

    stage: str | None
    "What it holds; None for a spare that waits."

    peer: str
    version: int | None
    "Optimizer steps applied; None before a trainer came."

    microbatches: int | None
    tokens_per_second: float | None
    "Since the look before."

    memory_bytes: int | None
    "Largest resident memory so far."

    last_seen: float | None
    "Seconds since it was last heard of; 0 where it answered, None where nobody knows."

    problem: str = ""
    "Why it did not answer."

    def shown(self) -> dict[str, str]:
        """A row for a person."""
        return {
            "member": self.member,
            "stage": self.stage or "-",
            "peer": f"...{self.peer[-8:]}",
            "version": _text(self.version),
            "microbatches": _text(self.microbatches),
            "tokens/s": _text(self.tokens_per_second),
            "memory": "" if self.memory_bytes is None else f"{self.memory_bytes // _MIB:,} MiB",
            "last seen": _ago(self.last_seen),
        }


def table(members: Sequence[MemberStatus]) -> list[dict[str, str]]:
    """A row for each member; what keeps some from answering has a column only where there is such."""
    if not any(member.problem for member in members):
        return [member.shown() for member in members]
    return [{**member.shown(), "problem": member.problem} for member in members]


class Watch:
    """Looks at stages and spares of a run, and remembers what it saw."""

    def __init__(self, peer: Peer, run: SwarmRun) -> None:
        self._peer, self._run = peer, run
        self._members = [member for member in run.members if member.name != TRAINER]
        self._before: dict[str, tuple[float, float]] = {}
        self._seen: dict[str, float] = {}

    def look(self) -> list[MemberStatus]:
        """Ask everybody."""
        answers = ask(self._peer, self._members, deadline=min(SOON, self._run.deadlines.call))
        now = time.time()
        self._seen |= {answer.member.peer_id: now for answer in answers if answer.told is not None}
        present = [answer.told is not None for answer in answers]
        if not all(present):
            self._remember_announced(now, somebody=any(present))
        return [self._status(answer) for answer in answers]

    def _remember_announced(self, now: float, *, somebody: bool) -> None:
        """Of those who are missing the DHT may know more; `somebody`: whether any member answers."""
        records = self._announced()
        if somebody and not records:
            # Whoever answers is in the DHT: it was not met when this peer came, by a busy machine.
            self._peer.join()
            records = self._announced()
        for record in records:
            self._seen[record.peer_id] = max(self._seen.get(record.peer_id, 0.0), min(now, record.at))

    def _announced(self) -> Sequence[MemberRecord]:
        finding = find_records(self._peer, run_id=self._run.run_id, allowed=self._run.allowed)
        return self._peer.run(finding, timeout=None)

    def _status(self, answer: Answer) -> MemberStatus:
        told, member = answer.told or {}, answer.member
        peer_id = member.peer_id
        stage = _number(told, "stage")
        held = member.stage if answer.told is None or stage is None else self._name(int(stage))
        seen = self._seen.get(peer_id)
        return MemberStatus(
            member=member.name,
            stage=None if held is None else str(held),
            peer=peer_id,
            version=_whole(told, "version"),
            microbatches=_whole(told, "microbatches"),
            tokens_per_second=self._speed(peer_id, told),
            memory_bytes=_whole(told, "peak_bytes"),
            last_seen=0.0 if answer.told is not None else None if seen is None else time.time() - seen,
            problem=answer.why,
        )

    def _name(self, stage: int) -> str:
        names = stage_names(self._run.num_stages)
        return str(names[stage]) if stage < len(names) else str(stage)

    def _speed(self, peer_id: str, told: Mapping[str, Any]) -> float | None:
        """By the member's own clock, so that a slow answer does not change it."""
        tokens, at = _number(told, "tokens"), _number(told, "time")
        before = self._before.pop(peer_id, None)
        if tokens is None or at is None:
            return None
        self._before[peer_id] = tokens, at
        if before is None or at <= before[1]:
            return None
        # A trainer that came anew has the member count from 0.
        return round(max(0.0, tokens - before[0]) / (at - before[1]), 1)


def looks(directory: Path, run: SwarmRun, *, every: float) -> Generator[list[MemberStatus], None, None]:
    """All members, now and every so many seconds, without end. Speeds are known from the second look on.

    Raises:
        NotFound: this machine does not have the observer's key.
    """
    with observing(directory, run) as peer:
        watch = Watch(peer, run)
        while True:
            yield watch.look()
            time.sleep(every)


def _number(told: Mapping[str, Any], name: str) -> float | None:
    """A number from 0 that a peer told; None for anything else that it may have sent."""
    value = told.get(name)
    return value if isinstance(value, int | float) and 0 <= value < float("inf") else None


def _whole(told: Mapping[str, Any], name: str) -> int | None:
    value = _number(told, name)
    return None if value is None else int(value)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    if seconds == 0:
        return "now"
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
