# SPDX-License-Identifier: Apache-2.0
from node0.commands.town.canary_outcomes import outcomes_of
from node0.finetune.corpus.store import EntryHeader
from node0.finetune.registry.canaries import Canary, CanarySettings
from node0.finetune.registry.deployments import Deployment, DeploymentState

BEGAN = "2026-03-02T00:00:00+00:00"
CANARY = Canary(
    number=1, role="polecat", rigs=[], stable="pc:1", candidate="pc:2", settings=CanarySettings(),
    deployment=2, started_at=BEGAN,
)  # fmt: skip


def row(number: int, started: str, **changes: object) -> Deployment:
    facts = {
        "number": number, "name": "pc", "version": 1, "role": "polecat", "agent": "ft-pc-v1", "rigs": [],
        "endpoint": {}, "edits": [], "state": DeploymentState.ACTIVE, "started_at": started,
    }  # fmt: skip
    return Deployment.model_validate(facts | changes)


ROWS = [row(1, "2026-03-01T00:00:00+00:00", ended_at=BEGAN), row(2, BEGAN)]


def header(session: str, outcome: str, model: str = "pc:1", *, hour: int = 1, day: int = 3) -> EntryHeader:
    return EntryHeader(
        id=f"{session}-{hour}", role="polecat", rig="demo", task_type="x", outcome=outcome,
        created_at=f"2026-03-{day:02}T{hour:02}:00:00Z", bead_id=None, source="claude-code",
        session_id=session, answered_by=model, quality=None, quarantined=False, scrub_version="",
        content_digest="", tokens=1,
    )  # fmt: skip


def test_sessions_come_in_the_order_in_which_they_began_each_with_its_version() -> None:
    found = outcomes_of(
        CANARY,
        [
            header("late", "success", hour=9),
            header("early", "failure", hour=2),
            header("new", "success", "pc:2", hour=3),
            header("left", "abandoned", hour=4),
        ],
        ROWS,
    )

    assert (list(found.stable), list(found.candidate)) == ([False, True], [True])
    assert found.sessions == 3


def test_a_session_counts_once_and_succeeds_where_more_beads_did_than_failed() -> None:
    beads = ["success", "success", "failure"]
    found = outcomes_of(
        CANARY,
        [header("most", told, hour=number) for number, told in enumerate(beads)]
        + [header("even", told, "pc:2", hour=number) for number, told in enumerate(beads[1:])],
        ROWS,
    )

    assert (list(found.stable), list(found.candidate)) == ([True], [False])


def test_what_was_not_drawn_does_not_count() -> None:
    found = outcomes_of(
        CANARY,
        [
            header("began before", "success", day=1),
            header("began before", "failure", hour=2),
            header("changed", "success", "pc:1", hour=1),
            header("changed", "success", "pc:2", hour=2),
            header("both", "success", "pc:1 pc:2"),
            header("another", "success", "claude"),
        ],
        ROWS,
    )

    assert found.sessions == 0


def test_sessions_elsewhere_do_not_count() -> None:
    rows = [*ROWS, row(3, BEGAN, rigs=["demo"])]

    assert outcomes_of(CANARY, [header("s", "success")], rows).sessions == 0
