# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.commands.breaker.attribution import answered, attribute
from node0.finetune.corpus.store import EntryHeader
from node0.finetune.registry.canaries import Canary, CanarySettings
from node0.finetune.registry.deployments import Deployment, DeploymentState

FIRST, SECOND = "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00"


def _row(version: int, started: str, ended: str = "", **changes: object) -> Deployment:
    facts = {"name": "pc", "role": "polecat", "agent": f"ft-pc-v{version}", "endpoint": {}, "edits": []}
    states = {"state": DeploymentState.REPLACED if ended else DeploymentState.ACTIVE}
    times = {"started_at": started, "ended_at": ended}
    return Deployment.model_validate({**facts, "version": version, "rigs": [], **states, **times, **changes})


def _header(at: str, **changes: object) -> EntryHeader:
    facts = {
        "id": "e", "role": "polecat", "rig": "lantern", "task_type": "x", "outcome": "success",
        "created_at": at, "bead_id": None, "source": "claude-code", "session_id": "s", "quality": None,
        "quarantined": False, "scrub_version": "", "content_digest": "", "tokens": 1,
    }  # fmt: skip
    return EntryHeader.model_validate(facts | changes)


ROWS = [_row(1, FIRST, SECOND), _row(2, SECOND)]


@pytest.mark.parametrize(
    ("at", "model"),
    [
        ("2026-02-28T23:59:59Z", None),
        ("2026-03-01T00:00:00Z", "pc:1"),
        ("2026-03-02T01:00:00+02:00", "pc:1"),
        ("2026-03-02T00:00:00.5Z", "pc:2"),
        ("2030-01-01T00:00:00Z", "pc:2"),
        ("yesterday", None),
        ("0001-01-01T00:00:00+05:00", None),
    ],
)
def test_the_version_at_work_when_a_session_began_answers_for_it(at: str, model: str | None) -> None:
    assert list(attribute([_header(at)], ROWS)) == ([model] if model else [])


@pytest.mark.parametrize(
    "changes", [{"outcome": "abandoned"}, {"outcome": "unknown"}, {"session_id": None}, {"role": "crew"}]
)
def test_what_tells_nothing_of_the_worker_does_not_count(changes: dict[str, object]) -> None:
    assert attribute([_header("2026-03-05T00:00:00Z", **changes)], ROWS) == {}


def test_a_deployment_to_rigs_answers_for_these_only() -> None:
    rows = [*ROWS, _row(3, SECOND, rigs=["harbor"])]
    headers = [_header("2026-03-05T00:00:00Z", id=rig, rig=rig) for rig in ("harbor", "lantern")]

    found = attribute(headers, rows)
    assert {name: [one.session_id for one in outcomes] for name, outcomes in found.items()} == {
        "pc:3": ["harbor"],
        "pc:2": ["lantern"],
    }


def test_a_rigs_own_agent_answers_there_also_where_the_towns_is_newer() -> None:
    rows = [_row(3, FIRST, rigs=["harbor"]), _row(4, FIRST, rigs=["harbor"]), _row(2, SECOND)]
    headers = [_header("2026-03-05T00:00:00Z", id=rig, rig=rig) for rig in ("harbor", "lantern")]

    assert list(attribute(headers, rows)) == ["pc:4", "pc:2"]


def test_a_deployment_that_failed_never_worked() -> None:
    rows = [ROWS[0], _row(2, FIRST, SECOND, state=DeploymentState.REVERTED)]

    assert list(attribute([_header("2026-03-01T05:00:00Z")], rows)) == ["pc:1"]


CANARY = Canary(
    number=1, role="polecat", rigs=[], stable="pc:2", candidate="pc:3", settings=CanarySettings(share=0.5),
    deployment=9,
)  # fmt: skip


def test_in_a_canary_the_version_that_answered_counts_and_what_is_not_known_is_left_out() -> None:
    rows = [_row(2, FIRST, number=9)]
    told = ["pc:2", "pc:3", "pc:2 pc:3", None, "claude-haiku", "pc@canary-1", "pc@canary-2"]
    at = "2026-03-05T00:00:00Z"
    headers = [_header(at, id=str(number), answered_by=one) for number, one in enumerate(told)]

    found = {header.id: version for header, _, version in answered(headers, rows, [CANARY])}
    assert found == {"0": "pc:2", "1": "pc:3", "5": CANARY.drawn("s")}
    outside = {header.id: version for header, _, version in answered(headers, ROWS, [CANARY])}
    assert set(outside.values()) == {"pc:2"} and len(outside) == len(told)


def test_failures_and_successes_are_told_apart() -> None:
    headers = [_header("2026-03-05T00:00:00Z", id=name, outcome=name) for name in ("success", "failure")]

    assert [one.succeeded for one in attribute(headers, ROWS)["pc:2"]] == [True, False]
