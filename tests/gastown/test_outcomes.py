# SPDX-License-Identifier: Apache-2.0
"""What real bd and gt write into a real Dolt server, and the outcomes that are derived of it."""

import re
from collections.abc import Iterator

import pytest
from gastown.real_town import RealTown, real_town, why_not

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_windows import sling_events, with_beads
from node0.finetune.corpus.town.dolt_beads import read_dolt
from node0.finetune.corpus.town.events import read_events
from node0.finetune.corpus.town.sessions import sessions_of
from node0.town import Town

MISSING = why_not()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
TOAST, ONYX, WITNESS = "demo/polecats/toast", "demo/polecats/onyx", "demo/witness"
FIRST, SECOND = ("11111111-aaaa-4aaa-8aaa-00000000000" + end for end in "12")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    with real_town(tmp_path_factory.mktemp("home")) as made:
        yield made


def outcomes(town: RealTown) -> Outcomes:
    return Outcomes(read_dolt(Town(town.root).dolt_server()))


def bd(town: RealTown, actor: str, *words: str) -> str:
    return town.run("env", "-C", town.root / "demo", f"BD_ACTOR={actor}", "bd", *words)


def create(town: RealTown, title: str) -> str:
    (name,) = re.findall(r'"id": "([^"]+)"', bd(town, "mayor", "create", title, "--json"))
    return name


def hook(town: RealTown, bead: str, worker: str) -> None:
    bd(town, "mayor", "update", bead, "--status", "hooked", "--assignee", worker)


def test_lifecycles_are_chained_although_all_of_it_happened_in_one_second(town: RealTown) -> None:
    bead = create(town, "Mend the lamp")
    hook(town, bead, TOAST)
    bd(town, TOAST, "update", bead, "--status", "in_progress")
    bd(town, TOAST, "close", bead)
    bd(town, WITNESS, "reopen", bead)
    hook(town, bead, ONYX)
    bd(town, ONYX, "close", bead, "--reason", "Merged to main")

    found = outcomes(town)

    steps = [change.status for change in found.beads.beads[bead].changes if change.status]
    assert steps == ["hooked", "in_progress", "closed", "open", "hooked", "closed"]
    assert [(one.worker, one.result.outcome) for one in found.slings[bead]] == [
        (TOAST, "failure"),
        (ONYX, "success"),
    ]


@pytest.mark.parametrize(("command", "option"), [("duplicate", "--of"), ("supersede", "--with")])
def test_a_bead_that_another_one_replaces_is_no_success_of_its_worker(
    town: RealTown, command: str, option: str
) -> None:
    bead, other = create(town, "Mend the crane"), create(town, "Mend a crane")
    hook(town, bead, TOAST)
    bd(town, TOAST, command, bead, option, other)

    found = outcomes(town)

    (sling,) = found.slings[bead]
    assert found.of[bead].outcome == sling.result.outcome == "abandoned"


def test_a_patrol_belongs_to_the_session_that_walked_it(town: RealTown) -> None:
    witness(town, FIRST, "prime", "--hook")
    witness(town, FIRST, "patrol", "report", "--summary", "All is quiet")
    witness(town, SECOND, "prime", "--hook")
    witness(town, SECOND, "patrol", "report", "--summary", "All is quiet still")

    found = outcomes(town)
    events = [*read_events(Town(town.root).events_file, found.beads.skipped), *sling_events(found)]
    sessions = {
        one.session_id: with_beads(one, found)
        for one in sessions_of(sorted(events, key=lambda event: event.at))
    }

    first, second = (sessions[name].windows for name in (FIRST, SECOND))
    assert [window.outcome for window in first] == ["success"]
    assert second[0].outcome == "success"
    assert not {window.bead_id for window in first} & {window.bead_id for window in second}


def witness(town: RealTown, session: str, *words: str) -> None:
    place = town.root / "demo" / "witness"
    known = [f"CLAUDE_SESSION_ID={session}", "GT_SESSION_ID_ENV=CLAUDE_SESSION_ID", f"GT_ROOT={town.root}"]
    own = [f"GT_ROLE={WITNESS}", "GT_RIG=demo", f"BD_ACTOR={WITNESS}"]
    town.run("env", "-C", place, *own, *known, "gt", *words)
