# SPDX-License-Identifier: Apache-2.0
"""A town in which a version of ours is at work for each role, asked by harnesses that gt starts.

The versions are random adapters of the sample base, whose positions are made enough for a session; what they
say is held to a script, since a model that a person trained may drive a harness inside the sandbox alone.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_parts import write_adapter
from gastown.real_town import ROOT, SECONDS, RealTown, read
from integration.engines.held_session import Told
from integration.served_process import serving

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

SERVE = ROOT / "tests" / "integration" / "engines" / "held_serve.py"
POSITIONS = 16_384
PROBE = "ok"
"What the probe of a deployment is answered; it is the first one who asks."


@dataclass(frozen=True)
class RoleTown:
    """The town, and what its server tells."""

    town: RealTown
    place: Town
    base: Path
    url: str
    told_file: Path

    def told(self, role: str) -> list[Told]:
        """What a role's version was asked by a harness, and answered."""
        text = self.told_file.read_text("utf-8") if self.told_file.exists() else ""
        lines = [Told(**json.loads(line)) for line in text.splitlines()]
        return [one for one in lines if one.model == f"{role}:1"][1:]

    def wait(self, role: str, answers: int) -> list[Told]:
        """Until a role's harness has been answered so often; what was told."""
        self.until(lambda: len(self.told(role)) >= answers, f"{role}: {answers} answers")
        return self.told(role)

    def wait_recorded(self, place: Path, words: str, *, sessions: int) -> None:
        """Until so many sessions below a place hold these words; one that is stopped before lacks them."""
        answer = f'"text":{json.dumps(words)}'.encode()

        def recorded() -> int:
            return sum(answer in read(path) for path in place.rglob("*.jsonl"))

        self.until(lambda: recorded() >= sessions, f"{words!r} in {sessions} sessions below {place}")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition; what the sessions show where it does not come."""
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come\n{self.town.panes()}"
            time.sleep(0.2)


@contextmanager
def role_town(
    town: RealTown, script: Mapping[str, Sequence[str]], *, harness: str | None = None
) -> Iterator[RoleTown]:
    """A town with a version at work for each role of the script, whose texts are its answers in turn."""
    place, base = Town(town.root), town.home / "base"
    register(place, base, list(script))
    scripted = {f"{role}:1": _ids(base, [PROBE, *texts]) for role, texts in script.items()}
    (town.home / "script.json").write_text(json.dumps(scripted))
    told = town.home / "told.jsonl"
    town.node0("town", "install", "--town", town.root, "--yes", "--no-timer", "--prime")
    command = [sys.executable, str(SERVE), str(town.home / "script.json"), str(told)]
    models = [word for model in scripted for word in ("--model", model)]
    with serving(*models, "--town", town.root, "--dtype", "float32", command=command) as served:
        _deploy(place, script, Endpoint(url=served.url), harness)
        found = RoleTown(town, place, base, served.url, told)
        try:
            yield found
        finally:
            town.tmux("kill-server")
        assert served.stop() == 0


def call(tool: str, **arguments: Any) -> str:
    """A call as the base's template writes it."""
    spelled = json.dumps({"name": tool, "arguments": arguments}, separators=(",", ":"))
    return f"I look.<tool_call>{spelled}</tool_call>"


def _long_base(base: Path) -> None:
    shutil.copytree(ROOT / "examples" / "base", base)
    (base / "DIGEST").unlink()
    config = json.loads((base / "config.json").read_text("utf-8"))
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": POSITIONS}))


def register(place: Town, base: Path, roles: Sequence[str]) -> None:
    """A version for each role, over a base that is made at `base`."""
    _long_base(base)
    for seed, role in enumerate(roles):
        register_next(place, base, role, seed=seed)


def register_next(place: Town, base: Path, role: str, *, seed: int) -> None:
    """Another version for a role; another seed makes other weights."""
    registry = ModelRegistry(place)
    files = write_adapter(base, base.with_name(f"model-{role}-{seed}"), seed=seed)
    entry = ModelRegistryEntry(
        name=role,
        role=role,
        base_model=str(base),
        artifact_path=str(files),
        artefacts=artefacts_of(files),
        lora_adapters=["."],
    )
    registry.register(entry)
    registry.close()


def _deploy(place: Town, roles: Iterable[str], endpoint: Endpoint, harness: str | None) -> None:
    """As `node0 model deploy` does, past the gate: these versions were never measured."""
    registry = ModelRegistry(place)

    def ask(endpoint: Endpoint, entry: ModelRegistryEntry, profile: DeploymentProfile) -> None:
        probe(endpoint, Wanted(model=entry.spelled, context_window=profile.context_window))

    deployer = Deployer(place, registry, probe=ask)
    for role in roles:
        plan = deployer.plan(f"{role}:1", endpoint=endpoint, harness=harness)
        deployer.deploy(plan, force=True, reason="a test")
    registry.close()


def _ids(base: Path, texts: Sequence[str]) -> list[list[int]]:
    tokenizer = load_tokenizer(base)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
