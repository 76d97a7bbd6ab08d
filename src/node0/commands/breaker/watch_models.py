# SPDX-License-Identifier: Apache-2.0
"""Commands of the circuit breaker: show, check, record, reset."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.breaker.attribution import attribute
from node0.commands.model.open_registry import open_deployer
from node0.errors import ConfigError
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.breaker import Breaker, Stopped, Watched
from node0.finetune.registry.canaries import CanaryLog
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.live_outcomes import LiveOutcome, utc_seconds
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


def show_status(town: Path | None, *, as_json: bool) -> None:
    """Print a row for each version at work."""
    rows = watched_rows(town)
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("nothing of ours is at work; see: node0 model deploy --help")


def watched_rows(town: Path | None) -> list[dict[str, Any]]:
    """A record for each version at work: how its sessions ended, and what that says."""
    with _breaker(town) as (breaker, _, _):
        return [_row(one, cools=breaker.cools(one)) for one in breaker.watched()]


def check(town: Path | None) -> None:
    """Take in what the corpus tells of sessions, then stop what does badly."""
    with _breaker(town, create=True) as (breaker, registry, place):
        headers = CorpusStore(place).headers()
        rows, canaries = DeploymentLog(registry.store).list(), CanaryLog(registry.store).list()
        found = attribute(headers, rows, canaries)
        known = {entry.spelled for entry in registry.list()}
        new = sum(breaker.record(name, outcomes) for name, outcomes in found.items() if name in known)
        stopped = breaker.check()
    console.note(f"{new} new outcomes")
    for one in stopped:
        console.note(_told(one))


def record(name: str, town: Path | None, *, session: str, succeeded: bool, at: str | None) -> None:
    """Keep one outcome."""
    try:
        moment = utc_seconds(at) if at is not None else datetime.now(UTC).isoformat(timespec="seconds")
    except ValueError:
        raise ConfigError(f"--at {at!r} cannot be kept: give a time such as 2026-03-01T12:00:00Z") from None
    try:
        outcome = LiveOutcome(session_id=session, at=moment, succeeded=succeeded)
    except ValueError:
        raise ConfigError(
            f"--session {session!r} cannot be kept: give an id of 1 to 128 characters"
        ) from None
    with _breaker(town, create=True) as (breaker, _, _):
        new = breaker.record(name, [outcome])
    console.note("recorded" if new else "known already")


def reset(name: str, town: Path | None, *, reason: str) -> None:
    """Let a stopped version come back."""
    with _breaker(town, create=True) as (breaker, _, _):
        entry = breaker.reset(name, reason=reason)
    console.note(f"{entry.spelled} may be deployed again: node0 model deploy {entry.spelled}")


@contextmanager
def _breaker(root: Path | None, *, create: bool = False) -> Iterator[tuple[Breaker, ModelRegistry, Town]]:
    with open_deployer(root, create=create) as (deployer, registry, town):
        yield Breaker(town, registry, deployer), registry, town


def _row(one: Watched, *, cools: bool) -> dict[str, Any]:
    return {
        "ROLE": one.row.role,
        "MODEL": one.row.spelled,
        "SINCE": one.row.started_at[:16],
        "SESSIONS": one.evidence.sessions,
        "SUCCEEDED": one.evidence.succeeded,
        "EVIDENCE": round(one.evidence.total, 2),
        "STATE": "cooling down" if cools else one.evidence.verdict.value,
    }


def _told(one: Stopped) -> str:
    now = one.successor.spelled if one.successor is not None else "the agent before ours"
    return f"stopped {one.row.spelled} for {one.row.role}: {one.evidence}; {now} is at work"
