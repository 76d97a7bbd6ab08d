# SPDX-License-Identifier: Apache-2.0
"""The commands of ours that a night's steps are, as a person would type them.

Each runs in a process of its own: what one takes of memory, or how it fails, is no other's matter.
"""

from collections.abc import Sequence

from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.upkeep.night_decision import Decision, NightlySettings
from node0.finetune.registry.evaluations import REPLAY
from node0.town import Town

BEFORE = (["corpus", "collect"], ["breaker", "check"], ["town", "canary", "check"])
"What a night begins with: what ended is known, what does badly is taken back, what was tried is decided."


def train_command(
    decision: Decision, settings: NightlySettings, *, town: Town, base_model: str, run: str
) -> list[str]:
    """Train in a run directory, and register the result under the role's name."""
    words = ["finetune", "--role", decision.role, "--base-model", base_model, "--checkpoint-dir", run]
    if settings.config:
        words += ["--config", _config(settings.config, town)]
    return [*words, "--register", decision.role, *_in(town)]


def evaluate_command(decision: Decision, settings: NightlySettings, *, town: Town, run: str) -> list[str]:
    """Do a suite; the sessions that a run held out are replayed from its directory."""
    words = ["eval", "run", decision.subject]
    words += ["--replay", run, "--replay-only"] if decision.suite == REPLAY else []
    return [*words, "--epochs", str(settings.epochs), *_in(town)]


def deploy_command(
    decision: Decision, *, town: Town, endpoint: Endpoint, rigs: Sequence[str] = ()
) -> list[str]:
    """Put a version before the gate; never around it."""
    words = ["model", "deploy", decision.subject]
    words += [word for rig in rigs for word in ("--rig", rig)]
    if endpoint != Endpoint():
        words += ["--endpoint", endpoint.kind, "--url", endpoint.url]
    return [*words, *_in(town)]


def _config(name: str, town: Town) -> str:
    """A file from the town's root, wherever the night was started; the name of a shipped one as it is."""
    file = town.root / town.expand(name)
    return str(file) if file.is_file() else name


def _in(town: Town) -> list[str]:
    return ["--town", str(town.root)]
