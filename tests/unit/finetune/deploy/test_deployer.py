# SPDX-License-Identifier: Apache-2.0
import itertools
import json
from contextlib import suppress
from pathlib import Path

import pytest
from deploy_town import SETTINGS, register

from node0.errors import (
    BadCheckpoint,
    BadSignature,
    ConfigError,
    DeployInUse,
    EndpointUnfit,
    GateRefused,
    NotFound,
)
from node0.files import try_locked
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.registry.versions import change
from node0.town import Town

ENDPOINT = Endpoint()
GOOD = Evaluation(suite="held-out", items=100, score=0.95, low=0.9)


class Killed(BaseException):
    """The process ends here: nothing below this line runs."""


def _deploy(deployer: Deployer, name: str, **options: object) -> Deployment:
    return deployer.deploy(deployer.plan(name, endpoint=ENDPOINT), **options)  # type: ignore[arg-type]  # options as a test gives them


def _role(town: Town, role: str = "deacon") -> object:
    return json.loads(town.settings_file.read_text())["role_agents"].get(role)


def _statuses(registry: ModelRegistry) -> dict[int, str]:
    return {entry.version: entry.deployment_status.value for entry in registry.list()}


def _aliases(registry: ModelRegistry) -> dict[str, int]:
    found = registry.aliases()
    return {alias.value: version for (_, version), names in found.items() for alias in names}


def test_a_deployed_version_is_the_roles_agent(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    _deploy(deployer, "deacon:1")

    settings = json.loads(town.settings_file.read_text())
    assert settings["role_agents"] == {"deacon": "ft-deacon-v1", "witness": "haiku"}
    assert settings["agents"]["ft-deacon-v1"]["command"] == "claude"
    assert Path(settings["agents"]["ft-deacon-v1"]["args"][4]).is_file()
    assert _statuses(registry) == {1: "active", 2: "evaluated", 3: "evaluated"}
    assert _aliases(registry) == {"active": 1}


def test_what_is_not_ours_keeps_every_byte(town: Town, deployer: Deployer) -> None:
    _deploy(deployer, "deacon:1")

    text = town.settings_file.read_text()
    assert '"scheduler": {"max_polecats": 3.0, "note": "caf\\u00e9"},' in text
    assert text.startswith('{\n  "type": "town-settings", "version": 1,\n')


def test_a_later_version_takes_the_place_of_the_one_before(
    deployer: Deployer, registry: ModelRegistry
) -> None:
    _deploy(deployer, "deacon:1")
    _deploy(deployer, "deacon:3")

    assert _statuses(registry) == {1: "archived", 2: "evaluated", 3: "active"}
    assert _aliases(registry) == {"active": 3, "previous": 1}
    assert registry.require("deacon@previous").version == 1


def test_a_rollback_restores_the_agent_before_and_works_twice(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    for version in (1, 2, 3):
        _deploy(deployer, f"deacon:{version}")

    first = deployer.rollback("deacon")
    second = deployer.rollback("deacon")

    assert first is not None
    assert second is not None
    assert (first.version, second.version, _role(town)) == (2, 1, "ft-deacon-v1")
    assert _statuses(registry) == {1: "active", 2: "archived", 3: "archived"}
    assert _aliases(registry) == {"active": 1}


def test_a_rollback_to_the_original_leaves_the_file_as_it_was(town: Town, deployer: Deployer) -> None:
    for version in (1, 2, 1):
        _deploy(deployer, f"deacon:{version}")

    at_work = deployer.rollback("deacon", version=0)

    assert at_work is None
    assert town.settings_file.read_text() == SETTINGS


def test_a_rollback_to_a_version_passes_what_lies_above_it(town: Town, deployer: Deployer) -> None:
    for version in (1, 2, 3):
        _deploy(deployer, f"deacon:{version}")

    at_work = deployer.rollback("deacon", version=1)

    assert at_work is not None
    assert (at_work.version, _role(town)) == (1, "ft-deacon-v1")


@pytest.mark.parametrize("version", [2, 9])
def test_a_version_that_was_never_at_work_is_refused(deployer: Deployer, version: int) -> None:
    _deploy(deployer, "deacon:1")

    with pytest.raises(NotFound, match=f"version {version} never worked"):
        deployer.rollback("deacon", version=version)


def test_a_version_number_of_two_models_is_refused_by_their_names(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    register(registry, "other", Evaluation(suite="s", items=100, score=0.95))
    for name in ("deacon:1", "other:1", "deacon:2"):
        _deploy(deployer, name)
    before = (town.settings_file.read_text(), DeploymentLog(registry.store).list())

    with pytest.raises(ConfigError, match="version 1 for deacon is deacon:1 or other:1; leave --version out"):
        deployer.rollback("deacon", version=1)
    with pytest.raises(NotFound, match=r"or: deacon:1, other:1, deacon:2$"):
        deployer.rollback("deacon", version=9)

    assert (town.settings_file.read_text(), DeploymentLog(registry.store).list()) == before
    assert deployer.rollback("deacon", version=2) is not None


def test_nothing_to_roll_back_is_said(deployer: Deployer) -> None:
    with pytest.raises(NotFound, match="nothing of ours is deployed for deacon"):
        deployer.rollback("deacon")


def test_settings_that_somebody_changed_are_rolled_back_by_force_only(town: Town, deployer: Deployer) -> None:
    _deploy(deployer, "deacon:1")
    changed = town.settings_file.read_text().replace('"deacon": "ft-deacon-v1"', '"deacon": "sonnet"')
    town.settings_file.write_text(changed)

    with pytest.raises(ConfigError, match=r"role_agents\.deacon .* is \"sonnet\""):
        deployer.rollback("deacon")
    deployer.rollback("deacon", force=True)

    assert _role(town) == "sonnet"


def test_a_rigs_own_settings_are_used_for_a_rig(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    deployer.deploy(deployer.plan("deacon:1", rigs=["demo"], endpoint=ENDPOINT))
    file = town.root / "demo" / "settings" / "config.json"
    settings = json.loads(file.read_text())

    assert settings["type"] == "rig-settings"
    assert settings["role_agents"] == {"deacon": "ft-deacon-v1"}
    assert town.settings_file.read_text() == SETTINGS
    assert registry.require("deacon:1").deployed_to == ["demo"]
    deployer.rollback("deacon", rigs=["demo"])
    assert not file.exists()


def test_an_unknown_rig_is_refused_with_those_there_are(deployer: Deployer) -> None:
    with pytest.raises(NotFound, match=r"no rig 'demi'.*demo, other"):
        deployer.plan("deacon:1", rigs=["demi"], endpoint=ENDPOINT)


def test_without_a_gas_town_the_registry_alone_knows(town: Town, registry: ModelRegistry) -> None:
    (town.root / "mayor" / "town.json").unlink()
    deployer = Deployer(town, registry, probe=lambda *_: None)

    _deploy(deployer, "deacon:2")

    assert town.settings_file.read_text() == SETTINGS
    assert _aliases(registry) == {"active": 2}


def test_a_probe_that_refuses_leaves_everything_as_it_was(town: Town, registry: ModelRegistry) -> None:
    def refuse(*_: object) -> None:
        raise EndpointUnfit("it serves llama")

    with pytest.raises(EndpointUnfit):
        _deploy(Deployer(town, registry, probe=refuse), "deacon:1")

    assert town.settings_file.read_text() == SETTINGS
    assert _statuses(registry)[1] == "evaluated"
    assert registry.history("deacon:1")[-1].event == "not deployed"


def test_a_version_keeps_its_endpoint_where_another_one_is_tried_or_taken_back(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    def refuse(*_: object) -> None:
        raise EndpointUnfit("it serves llama")

    def url() -> str:
        args = json.loads(town.settings_file.read_text())["agents"]["ft-deacon-v1"]["args"]
        settings = json.loads(Path(args[args.index("--settings") + 1]).read_text())
        return str(settings["env"]["ANTHROPIC_BASE_URL"])

    there = Endpoint(kind="vllm", url="http://127.0.0.1:9")
    _deploy(deployer, "deacon:1")
    with pytest.raises(EndpointUnfit):
        other = Deployer(town, registry, probe=refuse)
        other.deploy(other.plan("deacon:1", endpoint=there))
    kept = url()
    deployer.deploy(deployer.plan("deacon:1", endpoint=there))
    moved = url()
    deployer.rollback("deacon")

    assert (kept, moved, url()) == (ENDPOINT.url, there.url, ENDPOINT.url)


def test_a_version_that_was_never_evaluated_is_refused(town: Town, registry: ModelRegistry) -> None:
    bare = registry.require("deacon:1").model_copy(
        update={"name": "bare", "eval_score": None, "deployment_status": DeploymentStatus.REGISTERED}
    )
    kept = registry.register(bare)

    with pytest.raises(GateRefused, match="never evaluated"):
        _deploy(Deployer(town, registry, probe=lambda *_: None), kept.spelled)
    assert town.settings_file.read_text() == SETTINGS


def test_force_needs_a_reason_and_keeps_it(town: Town, deployer: Deployer, registry: ModelRegistry) -> None:
    town.model_settings_file.write_text("gate: {threshold: 0.99}\n")
    with pytest.raises(GateRefused, match=r"90.0% below deployment threshold 99.0%"):
        _deploy(deployer, "deacon:1")
    refused = registry.history("deacon:1")[-1]
    assert (refused.event, refused.reason[:20]) == ("refused", "Model lower bound of")
    with pytest.raises(ConfigError, match="--reason"):
        _deploy(deployer, "deacon:1", force=True)

    row = _deploy(deployer, "deacon:1", force=True, reason="the suite is broken")

    assert (row.forced, row.reason) == (True, "the suite is broken")
    assert registry.history("deacon:1")[-2].reason == "the suite is broken"


def test_a_version_with_a_changed_file_is_refused_by_its_name(
    deployer: Deployer, registry: ModelRegistry
) -> None:
    path = Path(registry.require("deacon:1").artifact_path) / "adapter_model.safetensors"
    path.write_bytes(b"\x09")

    with pytest.raises(BadCheckpoint, match=r"adapter_model\.safetensors does not have"):
        _deploy(deployer, "deacon:1")


def test_a_version_with_a_changed_row_is_refused(deployer: Deployer, registry: ModelRegistry) -> None:
    entry = registry.require("deacon:1")
    with registry.store.write("forge") as connection:
        change(connection, entry, {"role": "mayor"})

    with pytest.raises(BadSignature, match="not the one that was signed"):
        _deploy(deployer, "deacon:1")


def test_a_second_deployment_at_once_is_told_so(town: Town, deployer: Deployer) -> None:
    with (
        try_locked(town.models / ".deploy.lock", busy=RuntimeError()),
        pytest.raises(DeployInUse, match="another process is deploying"),
    ):
        _deploy(deployer, "deacon:1")


@pytest.mark.parametrize("text", ["{", "[]", '{"agents": []}', '{"role_agents": 3}', ""])
def test_settings_that_cannot_be_read_are_left_untouched(town: Town, deployer: Deployer, text: str) -> None:
    town.settings_file.write_text(text)

    with pytest.raises(ConfigError, match=r"config\.json"):
        _deploy(deployer, "deacon:1")
    assert town.settings_file.read_text() == text


def test_a_town_without_settings_gets_them_and_loses_them_again(town: Town, deployer: Deployer) -> None:
    town.settings_file.unlink()

    _deploy(deployer, "deacon:1")
    made = json.loads(town.settings_file.read_text())
    deployer.rollback("deacon")

    assert made["type"] == "town-settings"
    assert not town.settings_file.exists()


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["deacon", "witness", "polecat"])), ids=" ".join
)
@pytest.mark.parametrize(
    "bare", ['{"type": "town-settings"}\n', '{"agents": {},\n "type": "town-settings"}', None]
)
def test_roles_that_are_rolled_back_in_any_order_leave_the_file_as_it_was(
    town: Town, deployer: Deployer, registry: ModelRegistry, bare: str | None, order: tuple[str, ...]
) -> None:
    if bare is None:
        town.settings_file.unlink()
    else:
        town.settings_file.write_text(bare)
    for role in ("witness", "polecat"):
        like = registry.require("deacon:1").model_copy(update={"name": role, "role": role})
        registry.add_evaluation(registry.register(like).spelled, GOOD)
    for role in ("deacon", "witness", "polecat"):
        _deploy(deployer, f"{role}:1")

    for role in order:
        deployer.rollback(role)

    assert (town.settings_file.read_text() if town.settings_file.exists() else None) == bare


def test_what_a_dead_process_left_is_undone_by_the_next(
    town: Town, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        monkeypatch.setattr("node0.finetune.deploy.settings_edits.undo", _die)
        raise Killed

    with suppress(Killed):
        _deploy(Deployer(town, registry, probe=die), "deacon:1")
    monkeypatch.undo()
    assert _role(town) == "ft-deacon-v1"

    repaired = Deployer(town, registry, probe=lambda *_: None).repair()

    assert [row.version for row in repaired] == [1]
    assert town.settings_file.read_text() == SETTINGS
    assert DeploymentLog(registry.store).unfinished() == []
    assert _statuses(registry)[1] == "evaluated"


def _die(*_: object) -> None:
    raise Killed


def test_a_rollback_that_died_is_finished_by_the_next(
    town: Town, deployer: Deployer, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _deploy(deployer, "deacon:1")
    _deploy(deployer, "deacon:2")
    monkeypatch.setattr("node0.finetune.deploy.settings_edits.undo", _die)
    with suppress(Killed):
        deployer.rollback("deacon")
    monkeypatch.undo()

    deployer.repair()

    assert _role(town) == "ft-deacon-v1"
    assert _aliases(registry) == {"active": 1}


def test_what_a_plan_would_change_is_known_before(town: Town, deployer: Deployer) -> None:
    plan = deployer.plan("deacon:2", endpoint=ENDPOINT)

    changes = {".".join(edit.path): (edit.before, edit.after) for edit in plan.edits}
    assert changes["role_agents.deacon"] == ('"opus"', '"ft-deacon-v2"')
    assert changes["agents.ft-deacon-v2"][0] is None
    assert town.settings_file.read_text() == SETTINGS
    assert not (town.models / "agents").exists()


def test_disagreement_is_found_where_another_program_dropped_a_key(town: Town, deployer: Deployer) -> None:
    _deploy(deployer, "deacon:1")
    settings = json.loads(town.settings_file.read_text())
    del settings["agents"]["ft-deacon-v1"]
    town.settings_file.write_text(json.dumps(settings))

    (line,) = deployer.disagreements()

    assert line.startswith("agents.ft-deacon-v1 in ")
    assert line.endswith(" is absent")


def test_a_candidate_that_is_deployed_is_a_candidate_no_more(
    deployer: Deployer, registry: ModelRegistry
) -> None:
    registry.move_alias("deacon:2", Alias.CANDIDATE)

    _deploy(deployer, "deacon@candidate")

    assert _aliases(registry) == {"active": 2}
