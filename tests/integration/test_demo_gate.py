# SPDX-License-Identifier: Apache-2.0
"""The second half of `make demo` in a smaller town, as `gt-model history` tells it afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from gated import NAME, Gated, Sizes, agent_of
from node0 import run_corpus, run_finetune
from node0.commands.model import model_options
from story import HERE, Story, TownShell
from town.generator.build import TownPlan, build_town

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SIZES = Sizes(first=50, further=60, hasty=30, threshold=0.36)
STEPS = 200
"Of the version that is at work before."

PLAN = TownPlan(sessions={"deacon": 300, "witness": 0, "polecat": 0}, secrets=0, people=0)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town whose deacon has a model at work."""
    root = tmp_path_factory.mktemp("demo")
    town = root / "gt"
    build_town(town, root / "planted.json", PLAN)
    assert run_corpus.main(["collect", "--town", str(town)]) == 0
    config = ["--config", str(HERE / "configs" / "deacon.yaml"), "--base-model", str(HERE / "base")]
    place = ["--corpus-path", str(town / ".corpus"), "--checkpoint-dir", str(town / ".checkpoints/deacon")]
    register = ["--register", "deacon-sample", "--town", str(town)]
    assert run_finetune.main([*config, *place, *register, "--set", f"max_steps={STEPS}"]) == 0
    force = ["--force-deploy", "--reason", "nothing is measured yet"]
    assert model_options.main(["deploy", "deacon-sample", *force, "--town", str(town)]) == 0
    return town


@pytest.fixture(scope="module")
def story(town: Path) -> Story:
    """The second half, told."""
    told = Story()
    Gated(told, town, SIZES).tell()
    return told


@pytest.fixture
def history(story: Story, town: Path, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What happened to one version, oldest first; aliases left out."""
    found = TownShell(town).rows(f"gt-model history {NAME}:{request.param}")
    return [event for event in found if event["event"] != "alias"]


def _events(history: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in history]


def test_every_promise_was_kept(story: Story) -> None:
    assert story.broken == []
    assert [name for name, *_ in story.stages].count("Evaluated") == 3


@pytest.mark.parametrize("history", [1], indirect=True)
def test_the_first_version_is_refused_then_forced_for_a_reason_and_taken_back(
    history: list[dict[str, Any]],
) -> None:
    assert _events(history) == ["registered", "evaluated", "refused", "deployed", "rolled back"]
    _, evaluated, refused, deployed, back = history
    assert evaluated["detail"]["suite"] == "replay"
    assert evaluated["detail"]["score"] < SIZES.threshold
    assert f"below deployment threshold {SIZES.threshold:.1%}" in refused["reason"]
    assert deployed["detail"]["forced"] is True
    assert (deployed["reason"], back["reason"]) == ("a trial, and we watch it", "the trial is over")


@pytest.mark.parametrize("history", [2], indirect=True)
def test_the_second_version_passes_and_the_breaker_takes_it_back(history: list[dict[str, Any]]) -> None:
    assert _events(history) == ["registered", "evaluated", "deployed", "breaker tripped", "rolled back"]
    _, evaluated, deployed, tripped, back = history
    assert evaluated["detail"]["score"] > SIZES.threshold
    assert deployed["detail"]["forced"] is False
    assert tripped["detail"] == {"from": "active", "to": "degraded"}
    assert "2 of 9 sessions succeeded" in tripped["reason"] == back["reason"]


@pytest.mark.parametrize("history", [3], indirect=True)
def test_the_third_version_fell_and_is_held(history: list[dict[str, Any]]) -> None:
    assert _events(history) == ["registered", "evaluated", "status", "status", "refused"]
    _, _, fell, held, refused = history
    assert fell["reason"].startswith("worse than the version before it: replay -")
    assert held["detail"]["to"] == "holds_rollout"
    assert f"{NAME}:3 is holds_rollout" in refused["reason"]


def test_the_agent_before_is_restored_and_versions_say_how_they_stand(story: Story, town: Path) -> None:
    rows = TownShell(town).rows("gt-model list")

    states = {f"{row['name']}:{row['version']}": row["deployment_status"] for row in rows}
    assert states == {
        f"{NAME}:1": "archived",
        f"{NAME}:2": "degraded",
        f"{NAME}:3": "holds_rollout",
        "deacon-sample:1": "active",
    }
    assert agent_of(town / "settings" / "config.json", "deacon") == "ft-deacon-sample-v1"


def test_the_second_version_has_a_lower_bound_above_what_is_asked(story: Story, town: Path) -> None:
    (shown,) = TownShell(town).rows(f"gt-model show {NAME}:2")

    (found,) = shown["evaluations"]
    assert found["low"] >= SIZES.threshold
    assert shown["parent"] == "deacon-sample:1"
    assert found["detail"]["nulls"].keys() == {"empty", "echo", "first-action", "no-op", "commonest-call"}


def test_the_reports_lie_where_the_story_says(story: Story, town: Path) -> None:
    told = [what for name, what, *_ in story.stages if name == "Evaluated"]
    pages = [town / what.rpartition("the page is ")[2] for what in told]

    reports = [json.loads((page.parent / "report.json").read_text("utf-8")) for page in pages]

    assert all(page.is_file() for page in pages)
    assert [report["plan"]["model"] for report in reports] == [f"{NAME}:{number}" for number in (1, 2, 3)]
    assert len({report["plan"]["suite_digest"] for report in reports}) == 1
