# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from endpoint_server import serving

from node0.commands.eval.run_suite import EvalRequest, run_suite
from node0.errors import ConfigError
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.registry.publish import publish
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


def test_thresholds_are_those_of_the_versions_role(
    registry: ModelRegistry, suite: Path, town_root: Path, tmp_path: Path, capsys: Printed
) -> None:
    Town(town_root).model_settings_file.write_text("gate: {thresholds: {deacon: 0.25}}\n")

    run_suite(EvalRequest("dm", suite, TRYING, output=tmp_path, device="cpu", town=town_root), as_json=True)

    assert '"composite": 0.25' in (tmp_path / "report.json").read_text()


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


def test_a_model_at_a_url_is_not_replayed(suite: Path, run: Path, tmp_path: Path, town_root: Path) -> None:
    with (
        serving({"/v1/messages": {"content": []}}) as url,
        pytest.raises(ConfigError, match="leave --url out"),
    ):
        run_suite(
            EvalRequest("m", suite, TRYING, url=url, output=tmp_path / "o", replay=run, town=town_root),
            as_json=True,
        )
