# SPDX-License-Identifier: Apache-2.0
from dpo_registry import session

from node0.finetune.dpo.preference_log import PreferenceLog
from node0.finetune.dpo.router import DPORouter
from node0.finetune.registry.store import ModelRegistry


def test_each_side_keeps_its_transcript_and_the_last_one_counts(registry: ModelRegistry) -> None:
    router, log = DPORouter(registry), PreferenceLog(registry.store)
    router.create_comparison("gt-abc12", "pc:1", "pc:2")
    for name, side in (("one", "a"), ("two", "b"), ("three", "a")):
        router.attach("gt-abc12", side, session(name, name))

    preference = log.find("gt-abc12")
    assert log.transcript(preference, "a") == session("three", "three")
    assert log.transcript(preference, "b") == session("two", "two")


def test_sqlite_has_no_branches_and_a_side_without_transcript_is_none(registry: ModelRegistry) -> None:
    DPORouter(registry).create_comparison("gt-abc12", "pc:1", "pc:2")
    log = PreferenceLog(registry.store)

    assert not log.has_branches
    assert log.transcript(log.find("gt-abc12"), "a") is None


def test_comparisons_are_listed_by_role(registry: ModelRegistry) -> None:
    DPORouter(registry).create_comparison("gt-abc12", "pc:1", "pc:2")
    log = PreferenceLog(registry.store)

    assert [one.task_bead_id for one in log.list(role="polecat")] == ["gt-abc12"]
    assert log.list(role="witness") == []
