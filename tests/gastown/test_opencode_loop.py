# SPDX-License-Identifier: Apache-2.0
"""The whole loop with opencode: gt starts it as a deployment wrote, and its session is collected."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gastown.real_town import RealTown, read, real_town, why_not
from gastown.role_town import RoleTown, call, role_town

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.tokenizer import load_tokenizer

MISSING = why_not("opencode")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
MARKER = "# Reduced prime: fine-tuned model active for role witness"
LAST_WORDS = "Done."
LARGEST = 8 * 1024
"Bytes of a request before its first turn."


@dataclass(frozen=True)
class Loop:
    """What was done in the town, and what the corpus knows of it."""

    roles: RoleTown
    settings: bytes
    "Of the town, before the deployment."

    programs: list[str]
    "Configurations that programs of the session were given, while it ran."

    found: list[CorpusEntry]

    def text(self, ids: list[int]) -> str:
        """What ids mean."""
        return str(load_tokenizer(self.roles.base).decode(ids))


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The witness was started, did its patrol and was stopped, and its session was collected."""
    prime = call("Bash", command="gt prime --hook")
    report = call("Bash", command="gt patrol report --summary 'All is quiet.'")
    with real_town(tmp_path_factory.mktemp("home")) as town:
        # gt's plugin in opencode looks for gt with the PATH of a login.
        programs = town.run("sh", "-c", "echo $PATH").strip()
        (town.home / ".profile").write_text(f"export PATH={programs}\n")
        # Without a network it tries for more than a minute to fetch what plugins may import.
        (town.home / ".npmrc").write_text("offline=true\nfetch-retries=0\n")
        town.run("gt", "config", "default-agent", "opencode")
        settings = (town.root / "settings" / "config.json").read_bytes()
        with role_town(town, {"witness": [prime, report, LAST_WORDS]}) as roles:
            town.run("gt", "witness", "start", "demo")
            roles.wait("witness", 3)
            programs_run = configured(town)
            town.run("gt", "witness", "stop", "demo")
            roles.until(lambda: not town.panes(), "the end of the session")
            town.node0("corpus", "collect", "--town", town.root)
            yield Loop(roles, settings, programs_run, list(CorpusStore(roles.place).list("witness")))


def configured(town: RealTown) -> list[str]:
    """The configurations of ours by which programs of the town run."""
    mark = b"OPENCODE_CONFIG="
    told = (read(path).split(b"\0") for path in Path("/proc").glob("[0-9]*/environ"))
    found = {one[len(mark) :].decode() for lines in told for one in lines if one.startswith(mark)}
    return sorted(one for one in found if one.startswith(str(town.root)))


def test_gt_starts_opencode_as_it_was_deployed_where_the_town_runs_opencode(loop: Loop) -> None:
    settings = loop.roles.place.read_settings()
    agent = settings["role_agents"]["witness"]

    assert agent == "ft-witness-v1"
    assert settings["agents"][agent]["provider"] == "opencode"
    assert [Path(one).parents[1].name for one in loop.programs] == [agent]


def test_the_agent_gets_its_beacon_and_its_request_is_small(loop: Loop) -> None:
    first = loop.roles.told("witness")[0]
    asked = loop.text(first.prompt)

    assert "[GAS TOWN] witness" in asked
    assert len(asked.encode()) <= LARGEST
    assert '"Bash"' in asked and '"bash"' not in asked


def test_the_tool_ran_and_its_result_came_back(loop: Loop) -> None:
    second, third = (loop.text(one.prompt) for one in loop.roles.told("witness")[1:3])

    assert MARKER in second.partition("gt prime --hook")[2], "the short prime, since our gt is before PATH"
    assert "gt patrol report" in third.removeprefix(second)


def test_the_session_is_collected_with_its_role_and_rig(loop: Loop) -> None:
    assert loop.found
    first = loop.found[0]

    assert (first.source, first.role, first.rig) == ("opencode", "witness", "demo")
    assert first.answered_by == "witness:1"
    assert '"tool_result"' in json.dumps([one.messages for one in loop.found])


def test_a_rollback_leaves_the_settings_as_they_were(loop: Loop) -> None:
    town = loop.roles.town
    told = town.run("gt", "config", "agent", "get", "ft-witness-v1")
    assert "opencode" in told
    town.node0("model", "rollback", "--role", "witness", "--town", town.root)

    town.node0("town", "uninstall", "--town", town.root)
    assert (town.root / "settings" / "config.json").read_bytes() == loop.settings
