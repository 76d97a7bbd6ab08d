# SPDX-License-Identifier: Apache-2.0
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from node0.errors import ConfigError, GateRefused
from node0.finetune.deploy.at_work import AtWork
from node0.finetune.deploy.gate import FORCE, GateSettings, check_gate, gate_of, objections
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.statistics.regression import MARGIN
from node0.finetune.statistics.tallies import Tally, composite, estimate
from node0.town import Town

ENTRY = ModelRegistryEntry(name="dm", role="deacon", version=2, artifact_path="/x")
CATEGORIES = ("bead_management", "code_execution", "git_workflow")


def _measured(score: float, low: float | None = None, high: float | None = None) -> Evaluation:
    return Evaluation(suite="held-out", items=10, score=score, low=low, high=high)


def _suite(
    passed: Mapping[str, int] | int, *, items: int = 40, nulls: int = 0, digest: str = "s1"
) -> Evaluation:
    """So many items of each category passed, so many by the null model."""
    counts = dict.fromkeys(CATEGORIES, passed) if isinstance(passed, int) else passed
    outcomes = {
        name: {f"i{number:03}": (int(number < count), 1) for number in range(items)}
        for name, count in counts.items()
    }
    parts = {name: estimate([Tally(*pair) for pair in found.values()]) for name, found in outcomes.items()}
    whole = composite(parts)
    detail = EvaluationDetail(
        suite_digest=digest, outcomes=outcomes, nulls={"echo": dict.fromkeys(counts, (nulls, items))}
    )
    return Evaluation(
        suite="roles", items=whole.items, score=whole.score, low=whole.low, high=whole.high, detail=detail
    )


def _refusal(entry: ModelRegistryEntry, *found: Evaluation, holds: tuple[str, ...] = ()) -> str:
    with pytest.raises(GateRefused) as caught:
        check_gate(entry, found, GateSettings(), holds=holds)
    return str(caught.value)


def test_what_was_never_evaluated_is_refused_with_the_way_on() -> None:
    line = _refusal(ENTRY)

    assert line.startswith("dm:2 was never evaluated. Run node0 eval run dm:2")
    assert line.endswith(FORCE)


def test_the_lower_bound_counts_where_one_was_measured() -> None:
    assert "lower bound of the score 70.0% below deployment threshold 80.0%" in _refusal(
        ENTRY, _measured(0.9, 0.7)
    )
    check_gate(ENTRY, [_measured(0.9, 0.8)], GateSettings(), holds=())


def test_bounds_around_the_threshold_are_inconclusive_and_say_what_is_missing() -> None:
    line = _refusal(ENTRY, _measured(0.9, 0.7, 0.95))

    assert "inconclusive, needs about" in line
    assert "inconclusive" not in _refusal(ENTRY, _measured(0.5, 0.3, 0.7))


def test_the_last_measurement_counts() -> None:
    assert "Model score 10.0%" in _refusal(ENTRY, _measured(0.9), _measured(0.1))
    check_gate(ENTRY, [_measured(0.1), _measured(0.9)], GateSettings(), holds=())


def test_a_suite_counts_also_where_something_else_was_measured_since() -> None:
    assert "below deployment threshold" in _refusal(ENTRY, _suite(10), _measured(1.0))


def test_a_role_may_have_a_threshold_of_its_own() -> None:
    settings = GateSettings(threshold=0.9, thresholds={"deacon": 0.5})

    check_gate(ENTRY, [_measured(0.6)], settings, holds=())
    with pytest.raises(GateRefused):
        check_gate(ENTRY.model_copy(update={"role": "witness"}), [_measured(0.6)], settings, holds=())


@pytest.mark.parametrize("status", ["flagged", "holds_rollout", "degraded"])
def test_a_version_that_somebody_stopped_is_refused_however_good(status: str) -> None:
    entry = ENTRY.model_copy(update={"deployment_status": DeploymentStatus(status)})

    assert f"dm:2 is {status}" in _refusal(entry, _measured(1.0))


def test_an_earlier_version_can_hold_the_rollout() -> None:
    assert "dm:1 holds the rollout of dm" in _refusal(ENTRY, _measured(1.0), holds=("dm:1",))


def test_a_perfect_suite_passes() -> None:
    check_gate(ENTRY, [_suite(40)], GateSettings(), holds=())


def test_no_category_hides_behind_the_others() -> None:
    found = _suite({"bead_management": 40, "code_execution": 24, "git_workflow": 40, "planning": 40})

    lines = list(objections(found, GateSettings(), role="deacon"))

    assert len(lines) == 1
    assert lines[0].startswith("code_execution scores 60.0%")
    assert not list(objections(found, GateSettings(category_thresholds={"deacon": 0.4}), role="deacon"))


def test_a_suite_that_a_null_model_does_not_fail_is_refused_first() -> None:
    assert "null model 'echo' passes 24 of 40 items" in _refusal(ENTRY, _suite(40, nulls=24))
    # 17 of 40 reach up to 57.8 %, below what is asked of a category.
    check_gate(ENTRY, [_suite(40, nulls=17)], GateSettings(), holds=())
    assert "measures nothing" in _refusal(ENTRY, _suite(40, nulls=18))


@pytest.mark.parametrize("settings", [{"category_threshold": 0}, {"category_thresholds": {"deacon": 0}}])
def test_a_category_threshold_that_a_null_model_reaches_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        GateSettings.model_validate(settings)


def _active(*found: Evaluation) -> AtWork:
    return AtWork("dm:1", found)


def _held(new: Evaluation, active: AtWork, *, margin: float = MARGIN) -> str:
    """The one line that holds it, which is not for its own score."""
    settings = GateSettings(threshold=0.5, category_threshold=0.3, margin=margin)
    (line,) = objections(new, settings, role="deacon", active=active)
    with pytest.raises(GateRefused) as caught:
        check_gate(ENTRY, [new], settings, holds=(), active=active)
    assert str(caught.value) == line
    assert line.endswith(f"{FORCE}.")
    return line


def test_a_category_that_fell_against_the_version_at_work_is_refused() -> None:
    old, new = _suite(40), _suite({**dict.fromkeys(CATEGORIES, 40), "git_workflow": 31})

    with pytest.raises(GateRefused, match=r"git_workflow fell from 100.0% to 77.5%.*9 items worse"):
        check_gate(ENTRY, [new], GateSettings(threshold=0.7), holds=(), active=_active(old))
    check_gate(ENTRY, [new], GateSettings(threshold=0.7), holds=(), active=None)


def test_a_fall_that_chance_may_explain_holds_with_what_would_settle_it() -> None:
    old, new = _suite(40), _suite({**dict.fromkeys(CATEGORIES, 40), "git_workflow": 37})

    line = _held(new, _active(old))

    assert line.startswith(
        "git_workflow is 7.5% below the version at work, which may be chance: inconclusive"
    )
    assert re.search(r"about \d+ (trials an item|items of it) would settle it", line)
    check_gate(ENTRY, [new], GateSettings(margin=0.08), holds=(), active=_active(old))


@pytest.mark.parametrize("passed", [36, 40])
@pytest.mark.parametrize("fewer", [0, 1, 2])
def test_a_version_that_did_as_well_passes(passed: int, fewer: int) -> None:
    five = (*CATEGORIES, "planning", "convention_adherence")
    old = _suite(dict.fromkeys(five, passed))
    new = _suite({**dict.fromkeys(five, passed), "git_workflow": passed - fewer})

    check_gate(ENTRY, [new], GateSettings(threshold=0.7), holds=(), active=_active(old))


def test_what_so_few_items_cannot_exclude_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "node0.finetune.deploy")
    five = dict.fromkeys((*CATEGORIES, "planning", "convention_adherence"), 40)

    check_gate(ENTRY, [_suite(five)], GateSettings(), holds=(), active=_active(_suite(five)))
    check_gate(ENTRY, [_suite(five)], GateSettings(margin=0.1), holds=(), active=_active(_suite(five)))

    (told,) = caplog.messages
    assert told.startswith("against dm:1 no category was seen to fall by more than 5.0 %; not excluded")
    assert "planning (-8.8%)" in told


def test_so_few_items_that_any_fall_may_hide_hold() -> None:
    few = _suite(10, items=10)

    line = _held(few, _active(few))

    assert line.startswith("All categories together may be 16.0% below the version at work (+0.0% seen)")
    assert "items in all would settle it. Evaluate both on more or override" in line


def test_a_fall_of_just_the_margin_is_settled_by_nothing() -> None:
    line = _held(_suite(38), _active(_suite(40)), margin=0.05)

    assert "may be" in line
    assert "no number of items would settle it, so near is it to the margin" in line


def test_a_version_is_compared_on_the_items_that_both_did() -> None:
    old, new = _suite(40), _suite({**dict.fromkeys(CATEGORIES, 40), "git_workflow": 31})
    later = _suite(40, digest="s2")

    assert "git_workflow fell from 100.0%" in _held(new, _active(old, later))


@pytest.mark.parametrize("found", [(), (_measured(0.9),), (_suite(40, digest="s2"),)])
def test_a_version_at_work_that_never_did_the_suite_holds_until_it_did(found: tuple[Evaluation, ...]) -> None:
    line = _held(_suite(40), _active(*found))

    assert line.startswith("dm:1, which is at work, never did these items of suite roles: inconclusive")
    assert "Run node0 eval run dm:1 on them" in line


def test_a_bare_score_is_compared_with_nothing() -> None:
    check_gate(ENTRY, [_measured(0.9)], GateSettings(), holds=(), active=_active(_suite(40)))


REPLAYS = GateSettings(suites={"deacon": {"replay": 0.5}})


def _replay(agree: int, *, sessions: int = 40, nulls: int = 0, digest: str = "r1") -> Evaluation:
    """So many of the ten calls of each session agree."""
    found = estimate([Tally(agree, 10)] * sessions)
    detail = EvaluationDetail(
        suite_digest=digest,
        outcomes={"replay": {f"s{number:03}": (agree, 10) for number in range(sessions)}},
        nulls={"commonest-call": {"replay": (nulls, sessions)}},
    )
    return Evaluation(
        suite="replay", items=sessions, score=found.score, low=found.low, high=found.high, detail=detail
    )


def test_a_role_is_gated_on_the_suites_that_it_names_and_on_no_other() -> None:
    check_gate(ENTRY, [_replay(8), _suite(1), _measured(0.1)], REPLAYS, holds=())

    with pytest.raises(GateRefused, match=r"score 35.2% below deployment threshold 50.0%, but the upper one"):
        check_gate(ENTRY, [_suite(40), _replay(5)], REPLAYS, holds=())


def test_a_suite_that_is_asked_for_and_was_not_done_is_refused_with_the_way_to_do_it() -> None:
    both = GateSettings(suites={"deacon": {"roles": 0.8, "replay": 0.5}})

    for done, told in (
        ([], "has not done suite roles, which the gate asks of deacon. Run node0 eval run dm:2, or"),
        (
            [_suite(40)],
            "has not done suite replay, .* Run node0 eval run dm:2 --replay RUN --replay-only, or",
        ),
        ([_measured(1.0), _replay(9)], "has not done suite roles"),
    ):
        with pytest.raises(GateRefused, match=told):
            check_gate(ENTRY, done, both, holds=())
    check_gate(ENTRY, [_suite(40), _replay(9)], both, holds=())


def test_each_suite_that_is_asked_for_is_compared_with_the_version_at_work() -> None:
    both = GateSettings(suites={"deacon": {"roles": 0.8, "replay": 0.5}})

    with pytest.raises(GateRefused, match=r"replay fell from 90\.0% to 70\.0%"):
        check_gate(
            ENTRY,
            [_suite(50, items=50), _replay(7)],
            both,
            holds=(),
            active=_active(_suite(50, items=50), _replay(9)),
        )
    with pytest.raises(GateRefused, match="never did these items of suite replay"):
        check_gate(
            ENTRY,
            [_suite(50, items=50), _replay(9)],
            both,
            holds=(),
            active=_active(_suite(50, items=50), _replay(9, digest="other sessions")),
        )


def test_a_suite_of_one_category_has_one_threshold() -> None:
    low = GateSettings(suites={"deacon": {"replay": 0.3}})

    assert list(objections(_replay(5), low, role="deacon")) == []
    assert len(list(objections(_replay(2), low, role="deacon"))) == 1
    (line,) = objections(_replay(9, nulls=9), low, role="deacon")
    assert "suite replay measures nothing in replay: null model 'commonest-call' passes 9 of 40" in line


def test_recorded_calls_are_not_tried_more_often() -> None:
    (line,) = objections(_replay(5), REPLAYS, role="deacon")

    assert "inconclusive, and no number of items would decide" in line
    assert "epochs" not in "".join(objections(_replay(6), REPLAYS, role="deacon"))
    assert "epochs" in "".join(objections(_suite(33), GateSettings(), role="deacon"))


@pytest.mark.parametrize(
    "suites",
    [
        {"deacon": {}},
        {"deacon": {"replay": 0}},
        {"deacon": {"replay": 1.1}},
        {"deacon": {"replay": 0.5, "held-out": 0.5}},
    ],
)
def test_a_gate_that_asks_for_nothing_or_what_nobody_can_do_is_refused(
    suites: dict[str, dict[str, float]],
) -> None:
    with pytest.raises(ValidationError):
        GateSettings(suites=suites)


def test_a_suite_of_ones_own_is_asked_for_by_its_path() -> None:
    own = GateSettings(suites={"deacon": {"patrol": 0.5}})

    with pytest.raises(GateRefused, match=r"suite patrol, .* Run node0 eval run dm:2 --suite PATH, or"):
        check_gate(ENTRY, [_suite(40)], own, holds=())


@pytest.mark.parametrize(
    "block",
    ["suites: {decon: {replay: 0.5}}", "thresholds: {decon: 0.9}", "category_thresholds: {decon: 0.9}"],
)
def test_a_gate_for_a_role_that_nobody_has_is_refused(town_root: Path, block: str) -> None:
    town = Town(town_root)
    registry = ModelRegistry(town)
    town.model_settings_file.write_text(f"gate: {{{block}}}\n")

    with pytest.raises(ConfigError, match="no role 'decon'; did you mean 'deacon'"):
        gate_of(town, registry)
    registry.register(ModelRegistryEntry(name="own", role="decon", artifact_path="/x"))
    assert gate_of(town, registry).roles == {"decon"}
