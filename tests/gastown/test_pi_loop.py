# SPDX-License-Identifier: Apache-2.0
"""The whole loop with pi: gt starts it as a deployment wrote, and its session is collected by its own id."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gastown.real_town import real_town, why_not
from gastown.role_town import RoleTown, call, role_town

from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.rows import Row, RowMaker
from node0.finetune.data.tokenizer import load_tokenizer

MISSING = why_not("pi")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
MARKER = "# Reduced prime: fine-tuned model active for role witness"
LAST_WORDS = "Done."
LARGEST = 8 * 1024
"Bytes of a request before its first turn."

MODELS = (
    '{"providers": {"mine": {"baseUrl": "http://127.0.0.1:9", "api": "openai-completions",\t"models": []}}}'
)
"What its user wrote for pi, in a spacing of its own."


@dataclass(frozen=True)
class Loop:
    """What was done in the town, and what the corpus knows of it."""

    roles: RoleTown
    settings: bytes
    "Of the town, before anything of ours."

    found: list[CorpusEntry]

    def text(self, ids: list[int]) -> str:
        """What ids mean."""
        return str(load_tokenizer(self.roles.base).decode(ids))


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The witness was started, did its patrol and was stopped, and its session was collected."""
    report = call("Bash", command="gt patrol report --summary 'All is quiet.'")
    with real_town(tmp_path_factory.mktemp("home")) as town:
        own = town.home / ".pi" / "agent" / "models.json"
        own.parent.mkdir(parents=True)
        own.write_text(MODELS)
        town.run("gt", "config", "default-agent", "pi")
        settings = (town.root / "settings" / "config.json").read_bytes()
        with role_town(town, {"witness": [report, LAST_WORDS]}) as roles:
            town.run("gt", "witness", "start", "demo")
            roles.wait("witness", 2)
            town.run("gt", "witness", "stop", "demo")
            roles.until(lambda: not town.panes(), "the end of the session")
            town.node0("corpus", "collect", "--town", town.root)
            yield Loop(roles, settings, list(CorpusStore(roles.place).list("witness")))


def test_gt_starts_pi_as_it_was_deployed_where_the_town_runs_pi(loop: Loop) -> None:
    settings = loop.roles.place.read_settings()
    agent = settings["role_agents"]["witness"]

    assert (agent, settings["agents"][agent]["provider"]) == ("ft-witness-v1", "pi")
    assert loop.roles.told("witness"), "its endpoint was asked"


def test_the_agent_gets_its_beacon_and_a_short_prime_in_a_small_request(loop: Loop) -> None:
    first = loop.roles.told("witness")[0]
    asked = loop.text(first.prompt)

    assert "[GAS TOWN] witness" in asked
    assert asked.count(MARKER) == 1
    assert 0 < first.bytes <= LARGEST and len(asked.encode()) <= LARGEST
    assert '"Bash"' in asked and '"bash"' not in asked


def test_the_tool_ran_and_its_result_came_back(loop: Loop) -> None:
    first, second = (loop.text(one.prompt) for one in loop.roles.told("witness")[:2])

    assert "gt patrol report" in second.removeprefix(first)


def test_the_session_is_in_the_corpus_with_what_it_was_for_and_how_it_ended(loop: Loop) -> None:
    first = min(loop.found, key=lambda one: len(one.messages))

    assert (first.source, first.role, first.rig, first.outcome) == ("pi", "witness", "demo", "success")
    assert first.answered_by == "witness:1" and "-wisp-" in str(first.bead_id)
    assert '"tool_result"' in json.dumps([one.messages for one in loop.found])


def test_the_sessions_event_names_the_file_that_pi_wrote(loop: Loop) -> None:
    home = loop.roles.town.home
    (file,) = (home / ".pi" / "agent" / "sessions").glob("*/*.jsonl")
    events = loop.roles.place.events_file.read_text().splitlines()
    begun = [one["payload"] for one in map(json.loads, events) if one["type"] == "session_start"]

    assert [one["session_id"] for one in begun] == [json.loads(file.read_text().splitlines()[0])["id"]]


def test_what_the_server_rendered_begins_a_row_of_the_dataset(loop: Loop) -> None:
    renderer = Renderer(load_tokenizer(loop.roles.base), load_profile("witness"))
    maker = RowMaker(renderer, mode="sft", max_length=1 << 14, over_length="refuse")
    rows = [
        row.ids.tolist() for entry in loop.found for row in maker.rows(entry).rows if isinstance(row, Row)
    ]

    for one in loop.roles.told("witness")[:2]:
        ids = [*one.prompt, *one.ids]
        assert any(row[: len(ids)] == ids for row in rows)


def test_what_its_user_wrote_for_pi_stays_and_the_town_gets_its_settings_back(loop: Loop) -> None:
    town = loop.roles.town
    assert "gastown.js" in town.run("gt", "config", "agent", "get", "ft-witness-v1")

    town.node0("model", "rollback", "--role", "witness", "--town", town.root)
    town.node0("town", "uninstall", "--town", town.root)

    assert (town.root / "settings" / "config.json").read_bytes() == loop.settings
    assert (town.home / ".pi" / "agent" / "models.json").read_text() == MODELS
    assert not list((town.home / ".pi" / "agent").glob("*.js"))
