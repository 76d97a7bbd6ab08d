# SPDX-License-Identifier: Apache-2.0
import pytest
from dpo_registry import session

from node0.errors import ConfigError, NotFound
from node0.finetune.dpo.preference_log import PreferenceLog
from node0.finetune.dpo.router import DPORouter
from node0.finetune.registry.store import ModelRegistry


@pytest.fixture
def router(registry: ModelRegistry) -> DPORouter:
    return DPORouter(registry)


def test_a_comparison_names_its_branches(router: DPORouter, registry: ModelRegistry) -> None:
    assert router.create_comparison("gt-abc12", "pc:1", "pc") == ("dpo-gt-abc12-a", "dpo-gt-abc12-b")

    (one,) = PreferenceLog(registry.store).list()
    assert (one.role, one.model_a, one.model_b, one.winner) == ("polecat", "pc:1", "pc:2", None)


def test_comparisons_of_one_second_stand_in_the_order_in_which_they_were_begun(
    router: DPORouter, registry: ModelRegistry
) -> None:
    beads = ["gt-old", "gt-new", "gt-mid", "gt-abc"]
    for bead in beads:
        router.create_comparison(bead, "pc:1", "pc:2")

    assert [one.task_bead_id for one in PreferenceLog(registry.store).list()] == beads


@pytest.mark.parametrize(("winner", "chosen", "rejected"), [("a", "a", "b"), ("b", "b", "a")])
def test_the_winner_is_kept_with_the_reason_and_the_last_word_counts(
    router: DPORouter, registry: ModelRegistry, winner: str, chosen: str, rejected: str
) -> None:
    router.create_comparison("gt-abc12", "pc:1", "pc:2")
    router.record_winner("gt-abc12", "a")
    router.record_winner("gt-abc12", winner, reason="it ran\nthe tests")

    (one,) = PreferenceLog(registry.store).list()
    assert (one.chosen_branch, one.rejected_branch) == (f"dpo-gt-abc12-{chosen}", f"dpo-gt-abc12-{rejected}")
    assert (one.winner, one.reason) == (winner, "it ran the tests")
    assert one.decided_at is not None


def test_a_decided_task_may_be_compared_again(router: DPORouter, registry: ModelRegistry) -> None:
    router.create_comparison("gt-abc12", "pc:1", "pc:2")
    with pytest.raises(ConfigError, match="is being compared already"):
        router.create_comparison("gt-abc12", "pc:1", "pc:2")
    router.record_winner("gt-abc12", "a")

    assert router.create_comparison("gt-abc12", "pc:2", "pc:1") == ("dpo-gt-abc12-2-a", "dpo-gt-abc12-2-b")
    assert PreferenceLog(registry.store).find("gt-abc12").model_a == "pc:2"


@pytest.mark.parametrize(
    ("bead", "first", "second", "error", "line"),
    [
        ("gt-abc12", "pc:1", "pc:1", ConfigError, "compared with itself"),
        ("gt-abc12", "pc:2", "pc", ConfigError, "compared with itself"),
        ("gt-abc12", "pc:1", "wt:1", ConfigError, "pc:1 is for polecat, wt:1 for witness"),
        ("gt-abc12", "pc:1", "pc:9", NotFound, "no version 9"),
        ("gt abc", "pc:1", "pc:2", ConfigError, "'gt abc' names no bead"),
        ("x" * 49, "pc:1", "pc:2", ConfigError, "names no bead"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    router: DPORouter, bead: str, first: str, second: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line):
        router.create_comparison(bead, first, second)


def test_a_task_that_is_not_compared_and_a_side_that_is_none_are_refused(router: DPORouter) -> None:
    with pytest.raises(NotFound, match="no comparison on 'gt-abc12'"):
        router.record_winner("gt-abc12", "a")
    router.create_comparison("gt-abc12", "pc:1", "pc:2")
    with pytest.raises(ConfigError, match="no side 'c'"):
        router.record_winner("gt-abc12", "c")
    with pytest.raises(ConfigError, match="is of witness"):
        router.attach("gt-abc12", "a", session("s", "x", role="witness"))
