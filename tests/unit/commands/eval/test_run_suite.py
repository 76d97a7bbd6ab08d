# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from endpoint_server import serving

from node0.commands.eval.eval_tasks import choose_tasks
from node0.commands.eval.run_suite import EvalRequest, run_suite
from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.town import Town

Printed = pytest.CaptureFixture[str]
TRYING = Trying(epochs=1, max_tokens=6)


@pytest.fixture
def registry(base: str, town_root: Path) -> ModelRegistry:
    """A town where the base is dm:1."""
    registry = ModelRegistry(Town(town_root))
    publish(registry, Path(base), name="dm", role="deacon", models=Town(town_root).models)
    return registry


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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that held one session with one call out."""
    call = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "bd list"}}
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": [call]}]
    facts = {"role": "deacon", "rig": "hq", "task_type": "patrol", "outcome": "success"}
    entry = {"id": "a", "created_at": "2026-01-05T00:00:00Z", "messages": turns}
    CorpusStore(tmp_path / ".corpus").add(CorpusEntry.model_validate(facts | entry))
    directory = RunDirectory(tmp_path / "run")
    directory.make()
    directory.write_entries([EntryUse("a", "d", "1", "val")], {})
    settings = {"role": "deacon", "corpus_path": str(tmp_path / ".corpus")}
    directory.config_file.write_text(yaml.safe_dump(settings))
    return directory.root


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
    assert "replay: 1 recorded calls, 0 exact, 0 equivalent, 1 wrong" in capsys.readouterr().err


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
