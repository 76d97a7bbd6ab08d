# SPDX-License-Identifier: Apache-2.0
"""Which version answered a collected session: the one that was at work for its role when it began.

While a canary ran two did: then the harness's own record says which, or what it asked for and its session do.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from node0.finetune.corpus.store import EntryHeader
from node0.finetune.registry.canaries import Canary
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.live_outcomes import LiveOutcome, utc_seconds

COUNTED = {"success": True, "failure": False}
"Outcomes that tell how good the worker was; `abandoned` and `unknown` do not."

NEVER_AT_WORK = (DeploymentState.STARTED, DeploymentState.REVERTED)


def attribute(
    headers: Iterable[EntryHeader], rows: Sequence[Deployment], canaries: Iterable[Canary] = ()
) -> Mapping[str, Sequence[LiveOutcome]]:
    """Outcomes by `NAME:VER`.

    Args:
        headers: of collected entries; each bead of a session is one, with an outcome of its own.
        rows: all deployments, oldest first.
        canaries: all there were.
    """
    found: dict[str, list[LiveOutcome]] = defaultdict(list)
    for header, at, version in answered(headers, rows, canaries):
        succeeded = COUNTED.get(header.outcome)
        if version and succeeded is not None:
            found[version].append(LiveOutcome(session_id=header.id, at=at, succeeded=succeeded))
    return found


def answered(
    headers: Iterable[EntryHeader], rows: Sequence[Deployment], canaries: Iterable[Canary] = ()
) -> Iterator[tuple[EntryHeader, str, str]]:
    """Entries of sessions, with when each began and `NAME:VER` of what answered it; empty for other agents.

    An entry is left out whose time is not known, or that belongs to a canary and does not tell which version
    answered it, or tells of both.

    Args:
        headers: of collected entries.
        rows: all deployments, oldest first.
        canaries: all there were.
    """
    by_deployment = {one.deployment: one for one in canaries}
    for header, at, row in at_work(headers, rows):
        canary = by_deployment.get(row.number) if row is not None else None
        if canary is None:
            yield header, at, row.spelled if row is not None else ""
        elif version := answered_in(canary, header):
            yield header, at, version


def answered_in(canary: Canary, header: EntryHeader) -> str:
    """The version of a canary that answered an entry; empty where that is not known, or was another model."""
    told = header.answered_by
    if told == canary.asked and header.session_id is not None:
        return canary.drawn(header.session_id)
    return told if told in (canary.stable, canary.candidate) else ""


def at_work(
    headers: Iterable[EntryHeader], rows: Sequence[Deployment]
) -> Iterator[tuple[EntryHeader, str, Deployment | None]]:
    """Entries of sessions whose time is known, with when each began and the deployment at work then."""
    newest_first = list(reversed(rows))
    order = sorted(newest_first, key=lambda row: not row.rigs)
    for header in headers:
        if header.session_id is not None and (at := _moment(header)) is not None:
            yield header, at, _at_work(order, header, at)


def _moment(header: EntryHeader) -> str | None:
    try:
        return utc_seconds(header.created_at)
    except ValueError:
        return None  # it is not known which version was at work


def _at_work(rows: Sequence[Deployment], header: EntryHeader, at: str) -> Deployment | None:
    """The first deployment for a role and rig that had begun and not ended.

    Args:
        rows: newest first, those to rigs before those to the whole town, as gt looks a role's agent up.
    """
    for row in rows:
        concerns = row.role == header.role and (not row.rigs or header.rig in row.rigs)
        lasted = row.started_at <= at and (not row.ended_at or at < row.ended_at)
        if concerns and lasted and row.state not in NEVER_AT_WORK:
            return row
    return None
