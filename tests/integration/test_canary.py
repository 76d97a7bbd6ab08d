# SPDX-License-Identifier: Apache-2.0
"""A canary on a real server: sessions are split, none changes its version, and their ends decide."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from integration.served_process import serving
from tiny_run import make_base

from node0.cli import main
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

pytestmark = pytest.mark.integration

COUNT = 120
"However their hashes part them, each version has enough to tell."

Answered = Mapping[str, list[str]]
"By session, the models that its answers came from, in turn."


@pytest.fixture
def town(town_root: Path, tmp_path: Path) -> Town:
    """A town with three evaluated versions of a deacon."""
    town = Town(town_root)
    registry = ModelRegistry(town)
    for seed in (1, 2, 3):
        base = make_base(tmp_path / f"model{seed}", seed=seed, max_seq_len=1024)
        entry = publish(registry, base, name="deacon", role="deacon", models=town.models).entry
        registry.add_evaluation(entry.spelled, Evaluation(suite="held-out", items=100, score=0.95, low=0.9))
    registry.close()
    return town


def sessions(canary: int) -> list[str]:
    """Ids of the sessions that begin while a canary runs."""
    return [f"{number:08x}-0000-4000-800{canary}-000000000000" for number in range(COUNT)]


def ask(url: str, model: str, session: str, *, turns: int = 1) -> str:
    """Ask as Claude Code does; the model that the answer names."""
    said = [{"role": "user", "content": f"Look, {session}."}]
    said += [{"role": "assistant", "content": "I look."}, {"role": "user", "content": "On."}] * (turns - 1)
    body = {"model": model, "max_tokens": 1, "messages": said}
    headers = {"X-Claude-Code-Session-Id": session}
    answer = httpx.post(f"{url}/v1/messages", json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def asked_model(town: Town) -> str:
    """The model that the role's agent asks for, by the town's settings."""
    settings = town.read_settings()
    args = settings["agents"][settings["role_agents"]["deacon"]]["args"]
    return str(args[args.index("--model") + 1])


def worked(url: str, model: str, *, canary: int) -> Answered:
    """Every session of a canary asks twice, the others in between."""
    found: dict[str, list[str]] = defaultdict(list)
    for turns in (1, 2):
        for session in sessions(canary):
            found[session].append(ask(url, model, session, turns=turns))
    return found


def collect(town: Town, answered: Answered, good: str) -> None:
    """Keep each session as collecting does; those of one version succeeded, of the others a half."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    for number, (session, models) in enumerate(answered.items()):
        succeeded = models[0] == good or number % 2 == 0
        entry = CorpusEntry(
            id=session, role="deacon", rig="hq", task_type="patrol",
            outcome="success" if succeeded else "failure", created_at=soon.isoformat(),
            messages=[{"role": "user", "content": session}], source="claude-code",
            session_id=session, answered_by=" ".join(dict.fromkeys(models)),
        )  # fmt: skip
        CorpusStore(town).add(entry)


def canary(town: Town, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """What a command of the canary says of the last one."""
    capsys.readouterr()
    assert main(["town", "canary", *words, "--town", str(town.root), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out)[-1])


def test_sessions_are_split_and_their_ends_take_one_back_and_promote_another(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("--model", "deacon:1", "--town", town.root, "--dtype", "float32") as served:
        deploy = ["model", "deploy", "deacon:1", "--endpoint", "own", "--url", served.url]
        assert main([*deploy, "--town", str(town.root)]) == 0
        before = town.settings_file.read_bytes()

        canary(town, capsys, "start", "deacon:2", "--share", "0.5")
        first = worked(served.url, asked_model(town), canary=1)
        assert all(models[0] == models[1] for models in first.values())
        shares = [models[0] for models in first.values()].count("deacon:2") / COUNT
        assert 0.3 < shares < 0.7
        assert {ask(served.url, "deacon:1", session) for session in sessions(1)[:9]} == {"deacon:1"}
        collect(town, first, good="deacon:1")
        row = canary(town, capsys, "check")
        assert row["state"] == "taken back" and str(row["reason"]).startswith("worse")
        assert town.settings_file.read_bytes() == before
        of_candidate = next(name for name, models in first.items() if models[0] == "deacon:2")
        assert ask(served.url, "deacon@canary-1", of_candidate, turns=3) == "deacon:1"

        canary(town, capsys, "start", "deacon:3", "--share", "0.5")
        second = worked(served.url, asked_model(town), canary=2)
        assert {models[0] for models in second.values()} == {"deacon:1", "deacon:3"}
        collect(town, second, good="deacon:3")
        row = canary(town, capsys, "check")
        assert row["state"] == "promoted"
        assert asked_model(town) == "deacon:3"
        again = {session: ask(served.url, "deacon@canary-2", session, turns=3) for session in second}
        assert again == {session: models[0] for session, models in second.items()}
        assert served.stop() == 0
