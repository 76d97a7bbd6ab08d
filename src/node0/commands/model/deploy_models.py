# SPDX-License-Identifier: Apache-2.0
"""Commands that put versions to work and take them back."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from node0 import console
from node0.commands.lazy import when_called
from node0.commands.model.open_registry import open_deployer
from node0.errors import ConfigError
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.deploy.deployer import Probe
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.settings import nearest

if TYPE_CHECKING:
    from node0.commands.model import own_probe
else:
    own_probe = when_called("node0.commands.model.own_probe", heavy=True)

KINDS = ["own", "vllm", "llama-server", "sglang", "openai"]


def endpoint(kind: str, url: str | None, model: str) -> Endpoint:
    """What the options name.

    Raises:
        ConfigError: there is no such kind, an address is none, or one is missing.
    """
    if kind not in KINDS:
        raise ConfigError(f"no kind of endpoint {kind!r}{nearest(kind, KINDS)}")
    if url is None and kind != "own":
        raise ConfigError(f"--endpoint {kind} needs --url, where its server answers")
    given = {"kind": kind, "model": model} | ({} if url is None else {"url": url})
    try:
        return Endpoint.model_validate(given)
    except ValidationError:
        raise ConfigError(f"--url {url!r} is no address such as http://127.0.0.1:8000") from None


def show_plan(
    name: str, town: Path | None, *, rigs: Sequence[str], endpoint: Endpoint, harness: str | None = None
) -> None:
    """Print what deploying would change, as a diff of each settings file's members."""
    with open_deployer(town) as (deployer, _, _):
        plan = deployer.plan(name, rigs=rigs, endpoint=endpoint, harness=harness)
    for edit in plan.edits:
        before, after = (text.splitlines() if text else [] for text in (edit.before, edit.after))
        where = f"{edit.file}: {'.'.join(edit.path)}"
        console.show("\n".join(difflib.unified_diff(before, after, where, where, lineterm="")) + "\n")
    for file in plan.agent.files:
        console.note(f"would write {file}")
    if not plan.edits:
        console.note(f"no Gas Town here: only the registry would say that {plan.entry.spelled} is at work")


def deploy(
    name: str,
    town: Path | None,
    *,
    rigs: Sequence[str],
    endpoint: Endpoint,
    force: bool,
    reason: str,
    harness: str | None = None,
) -> None:
    """Put a version to work."""
    with open_deployer(town, probe=probing(town), create=True) as (deployer, _, _):
        plan = deployer.plan(name, rigs=rigs, endpoint=endpoint, harness=harness)
        row = deployer.deploy(plan, force=force, reason=reason)
    if row.forced:
        console.note(f"warning: {row.spelled} went past the gate, by {row.actor}: {row.reason}")
    where = f"rig {', '.join(row.rigs)}" if row.rigs else "the town"
    console.note(f"{row.spelled} is at work for {row.role} in {where} as agent {row.agent}")
    console.note(f"to take it back: node0 model rollback --role {row.role}")


def rollback(
    role: str, town: Path | None, *, version: int | None, rigs: Sequence[str], force: bool, reason: str
) -> None:
    """Take back what is at work for a role."""
    with open_deployer(town, create=True) as (deployer, _, _):
        row = deployer.rollback(role, version=version, rigs=rigs, reason=reason, force=force)
    now = f"{row.spelled} is at work" if row is not None else "the agent before ours is at work"
    console.note(f"{now} for {role}")


def probing(root: Path | None) -> Probe:
    """Asks an endpoint by HTTP; a server of our own need not run yet, so its engine is tried here."""

    def ask(endpoint: Endpoint, entry: ModelRegistryEntry, profile: DeploymentProfile) -> None:
        model = endpoint.model or entry.spelled
        wanted = Wanted(model=model, context_window=profile.context_window)
        if endpoint == Endpoint():
            own_probe.probe_own(wanted, town=root)
        else:
            probe(endpoint, wanted)

    return ask
