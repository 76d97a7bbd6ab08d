# SPDX-License-Identifier: Apache-2.0
"""How the sessions of a canary ended, by the corpus."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from node0.commands.breaker.attribution import COUNTED, answered_in, at_work
from node0.finetune.corpus.store import EntryHeader
from node0.finetune.deploy.canary import Outcomes
from node0.finetune.registry.canaries import Canary
from node0.finetune.registry.deployments import Deployment


def outcomes_of(canary: Canary, headers: Iterable[EntryHeader], rows: Sequence[Deployment]) -> Outcomes:
    """The sessions that a canary drew a version for, one outcome each.

    A session with several beads succeeded where more of them did than failed: its beads are alike, and only
    sessions were drawn. One that began before the canary, or that both versions answered, was not drawn.

    Args:
        canary: with its deployment.
        headers: of collected entries.
        rows: all deployments, oldest first.
    """
    beads: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    earlier = set()
    for header, at, row in at_work(headers, rows):
        session = str(header.session_id)
        if at < canary.started_at:
            earlier.add(session)
        elif row is not None and row.number == canary.deployment and header.outcome in COUNTED:
            beads[session].append((at, answered_in(canary, header), COUNTED[header.outcome]))
    drawn = {name: sorted(told) for name, told in beads.items() if name not in earlier and _is_one(told)}
    order = sorted(drawn, key=lambda name: (drawn[name][0][0], name))
    ended = [(drawn[name][0][1], _succeeded(drawn[name])) for name in order]
    of_stable = tuple(succeeded for version, succeeded in ended if version == canary.stable)
    return Outcomes(
        of_stable, tuple(succeeded for version, succeeded in ended if version == canary.candidate)
    )


def _is_one(told: Sequence[tuple[str, str, bool]]) -> bool:
    return len({version for _, version, _ in told}) == 1


def _succeeded(told: Sequence[tuple[str, str, bool]]) -> bool:
    return 2 * sum(succeeded for _, _, succeeded in told) > len(told)
