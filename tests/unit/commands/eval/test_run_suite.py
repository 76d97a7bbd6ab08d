# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import serving

from node0.commands.eval.eval_tasks import choose_tasks
from node0.commands.eval.run_suite import EvalRequest, run_suite
from node0.errors import ConfigError, NotFound
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Printed = pytest.CaptureFixture[str]
TRYING = Trying(epochs=1, max_tokens=6)


def test_an_evaluation_of_a_registered_version_is_kept_with_it(
    registry: ModelRegistry, suite: Path, town_root: Path, capsys: Printed
) -> None:
    run_suite(EvalRequest("dm", suite, TRYING, device="cpu", town=town_root), as_json=True)

    entry = registry.require("dm:1")
    (kept,) = registry.evaluations(entry)
    assert (kept.suite, kept.items) == ("patrol", 3)
    assert kept.detail is not None
    assert kept.detail.nulls["empty"] == {"patrol": (2, 3)}
    assert entry.deployment_status is DeploymentStatus.EVALUATED
    assert "kept with dm:1" in capsys.readouterr().err
    assert len(list((town_root / ".models" / "evals").glob("dm-1-patrol-*/report.html"))) == 1


@pytest.mark.parametrize("store", [True, False])
def test_a_model_at_a_url_is_asked_there_and_kept_with_nothing(
    store: bool, registry: ModelRegistry, suite: Path, town_root: Path, capsys: Printed
) -> None:
    def reply(body: Any) -> Any:
        return {"content": [{"type": "text", "text": "bd list"}]}

    with serving({"/v1/messages": reply}) as url:
        request = EvalRequest("dm", suite, TRYING, url=url, town=town_root, store=store)
        run_suite(request, as_json=True)

    assert '"score": 1.0' in capsys.readouterr().out
    assert not registry.evaluations(registry.require("dm:1"))


@pytest.mark.parametrize("store", [True, False])
def test_thresholds_are_those_of_the_versions_role(
    store: bool, registry: ModelRegistry, suite: Path, town_root: Path, tmp_path: Path, capsys: Printed
) -> None:
    Town(town_root).model_settings_file.write_text("gate: {thresholds: {deacon: 0.25}}\n")

    request = EvalRequest(
        "dm", suite, TRYING, output=tmp_path / "out", device="cpu", town=town_root, store=store
    )
    run_suite(request, as_json=True)

    assert '"composite": 0.25' in (tmp_path / "out" / "report.json").read_text()
    assert len(registry.evaluations(registry.require("dm:1"))) == store
    assert not list(tmp_path.glob("null-models-*"))
    assert len(list((tmp_path / "out").glob("null-models-*.json"))) == 1


def test_a_gate_that_cannot_be_read_is_told_before_anything_is_tried(
    registry: ModelRegistry, suite: Path, town_root: Path
) -> None:
    Town(town_root).model_settings_file.write_text("gate: {suites: {decon: {replay: 0.5}}}\n")

    with pytest.raises(ConfigError, match="did you mean 'deacon'"):
        run_suite(EvalRequest("dm", suite, TRYING, device="cpu", town=town_root), as_json=True)
    assert not (town_root / ".models" / "evals").exists()


def test_a_part_of_a_suite_is_not_kept_and_not_judged(
    registry: ModelRegistry, tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    item = "{difficulty: easy, tags: [words], prompt: Say yes., reference: [{say: 'yes'}], "
    item += "checks: [{check: says, all: ['yes']}]"
    (tmp_path / "own" / "planning").mkdir(parents=True)
    (tmp_path / "own" / "planning" / "one.yaml").write_text(
        f"- {item}, id: plan-a, role: deacon}}\n- {item}, id: plan-b, role: mayor}}\n"
    )

    request = EvalRequest("dm", tmp_path / "own", TRYING, role="mayor", device="cpu", town=town_root)
    run_suite(request, as_json=True)

    told = capsys.readouterr().err
    assert "not kept with dm:1: a part of a suite" in told
    assert "the gate would" not in told


def test_a_version_that_falls_is_held_at_once_and_would_not_pass(
    base: str, suite: Path, town_root: Path, capsys: Printed
) -> None:
    town, items = Town(town_root), ("test-001", "test-001-2", "test-002")
    registry = ModelRegistry(town)
    registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    digest = suite_digest(choose_tasks(suite, categories=(), role=None).tasks)
    detail = EvaluationDetail(suite_digest=digest, outcomes={"patrol": dict.fromkeys(items, (1, 1))})
    registry.add_evaluation("dm:1", Evaluation(suite="patrol", items=3, score=1.0, detail=detail))
    publish(registry, Path(base), name="dm", role="deacon", models=town.models)
    town.model_settings_file.write_text("gate: {alpha: 0.6, margin: 0.0}\n")

    run_suite(EvalRequest("dm:2", suite, TRYING, device="cpu", town=town_root), as_json=True)

    assert "the gate would refuse: dm:2 is holds_rollout" in capsys.readouterr().err


def test_the_towns_own_sessions_are_a_figure_of_their_own(
    registry: ModelRegistry, suite: Path, run: Path, town_root: Path, tmp_path: Path, capsys: Printed
) -> None:
    request = EvalRequest(
        "dm", suite, TRYING, output=tmp_path / "out", replay=run, device="cpu", town=town_root
    )
    run_suite(request, as_json=True)

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    every, patrol = report["replay"]
    assert (every["turns"], every["wrong"], patrol["task_type"]) == (1, 1, "patrol")
    assert registry.require("dm").eval_scores_by_category["replay"] == 0.0
    assert 'id="replay"' in (tmp_path / "out" / "report.html").read_text()
    assert (
        "replay: 1 recorded calls, 0 exact, 0 equivalent, 0 of the same effect, 1 wrong"
        in capsys.readouterr().err
    )


def test_what_is_replayed_beside_a_suite_has_a_report_and_an_evaluation_of_its_own(
    registry: ModelRegistry, suite: Path, run: Path, town_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_suite(
        EvalRequest("dm", suite, TRYING, output=out, replay=run, device="cpu", town=town_root), as_json=True
    )

    first, second = registry.evaluations(registry.require("dm:1"))
    report = json.loads((out / "replay" / "report.json").read_text())
    assert (first.suite, second.suite) == ("replay", "patrol")
    assert first.detail is not None
    assert first.detail.outcomes == {"replay": {"a": (0, 1)}}
    assert first.detail.nulls["commonest-call"] == {"replay": (1, 1)}
    assert report["categories"].keys() == {"replay"}
    assert report["items"][0]["tried"][0]["checks"][0]["check"] == "wrong"
    assert "failure" in (out / "replay" / "report.html").read_text()


def test_a_replay_alone_tries_no_suite_and_is_what_the_gate_judges(
    registry: ModelRegistry, run: Path, town_root: Path, capsys: Printed
) -> None:
    Town(town_root).model_settings_file.write_text("gate: {suites: {deacon: {replay: 0.7}}}\n")
    request = EvalRequest("dm", None, TRYING, replay=run, replay_only=True, device="cpu", town=town_root)

    run_suite(request, as_json=True)

    printed = capsys.readouterr()
    (kept,) = registry.evaluations(registry.require("dm:1"))
    (place,) = (town_root / ".models" / "evals").glob("dm-1-replay-*/report.json")
    bars = json.loads(place.read_text())["bars"]
    assert (kept.suite, kept.items, kept.score) == ("replay", 1, 0.0)
    assert [row["category"] for row in json.loads(printed.out)] == ["replay", "composite"]
    assert bars == {"composite": 0.7, "category": 0.7}
    assert "null model 'commonest-call' passes 1 of 1 items" in printed.err


def test_a_replay_stands_beside_that_of_another_version(
    base: str, registry: ModelRegistry, run: Path, town_root: Path, tmp_path: Path
) -> None:
    publish(registry, Path(base), name="other", role="deacon", models=Town(town_root).models)
    for name, beside in (("dm", None), ("other", "dm:1")):
        request = EvalRequest(
            name, None, TRYING, replay=run, replay_only=True, against=beside, device="cpu", town=town_root
        )
        run_suite(request, as_json=True)

    (page,) = (town_root / ".models" / "evals").glob("other-1-replay-*/report.html")
    assert "Against dm:1" in page.read_text()


@pytest.mark.parametrize("url", [True, False])
def test_a_replay_that_cannot_be_is_refused_before_anything_is_asked(
    url: bool, base: str, suite: Path, run: Path, tmp_path: Path, town_root: Path
) -> None:
    asked: list[Any] = []

    def reply(body: Any) -> Any:
        asked.append(body)
        return {"content": []}

    output = tmp_path / "o"
    with serving({"/v1/messages": reply}) as address:
        at_url = EvalRequest("m", suite, TRYING, url=address, output=output, replay=run, town=town_root)
        no_run = EvalRequest(base, suite, TRYING, output=output, replay=tmp_path / "none", town=town_root)
        told = "leave --url out" if url else "none"
        with pytest.raises(ConfigError if url else NotFound, match=told):
            run_suite(at_url if url else no_run, as_json=True)

    assert not asked
    assert not output.exists()


@pytest.mark.parametrize("text", ["sk-secret one\nsk-two", "sk-sécret", "", None])
def test_a_key_that_cannot_be_one_is_refused_and_not_printed(
    text: str | None, suite: Path, tmp_path: Path, town_root: Path
) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_text(text, "utf-8")
    request = EvalRequest("m", suite, TRYING, url="http://127.0.0.1:9", token_file=file, town=town_root)

    with pytest.raises(ConfigError) as caught:
        run_suite(request, as_json=True)

    assert str(file) in str(caught.value)
    assert "sk-" not in str(caught.value)
