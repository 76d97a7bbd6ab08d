# SPDX-License-Identifier: Apache-2.0
"""The whole loop with pi: gt starts it as a deployment wrote, and its session is collected by its own id.

The witness walks a patrol; a dog is started by `gt dog dispatch`, as the deacon does it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

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
MARKER = "# Reduced prime: fine-tuned model active for role {}"
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
    status: list[dict[str, str]]
    "Of the town, while the witness's session lived."

    def of(self, role: str) -> list[CorpusEntry]:
        """A role's entries, the shortest first."""
        found = (one for one in self.found if one.role == role)
        return sorted(found, key=lambda one: len(one.messages))

    def text(self, ids: list[int]) -> str:
        """What ids mean."""
        return str(load_tokenizer(self.roles.base).decode(ids))


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Witness and dog were started, did their work and were stopped, and their sessions were collected."""
    report = call("Bash", command="gt patrol report --summary 'All is quiet.'")
    script = {"witness": [report, LAST_WORDS], "dog": [call("Bash", command="gt dog done")], "crew": ["."]}
    with real_town(tmp_path_factory.mktemp("home")) as town:
        own = town.home / ".pi" / "agent" / "models.json"
        own.parent.mkdir(parents=True)
        own.write_text(MODELS)
        town.run("gt", "config", "default-agent", "pi")
        town.run("gt", "crew", "add", "ada", "--rig", "demo")
        settings = (town.root / "settings" / "config.json").read_bytes()
        with role_town(town, script) as roles:
            status = work(roles)
            town.node0("corpus", "collect", "--town", town.root)
            yield Loop(roles, settings, list(CorpusStore(roles.place).list()), status)


def work(roles: RoleTown) -> list[dict[str, str]]:
    """What the status says while the witness waits; every session has ended then."""
    town = roles.town
    with ThreadPoolExecutor() as beside:
        sent = beside.submit(town.run, "gt", "dog", "dispatch", "--plugin", "node0-collect", "--create")
        town.run("gt", "witness", "start", "demo")
        roles.wait("witness", 2)
        roles.wait("dog", 1)
        sent.result()
    roles.wait_recorded(town.home / ".pi" / "agent" / "sessions", LAST_WORDS, sessions=1)
    status: list[dict[str, str]] = json.loads(
        town.node0("town", "status", "--town", town.root, "--json", code=None)
    )
    town.run("gt", "witness", "stop", "demo")
    roles.until(lambda: not town.panes(), "the end of every session")
    return status


def test_gt_starts_pi_as_it_was_deployed_where_the_town_runs_pi(loop: Loop) -> None:
    settings = loop.roles.place.read_settings()
    agent = settings["role_agents"]["witness"]

    assert (agent, settings["agents"][agent]["provider"]) == ("ft-witness-v1", "pi")
    assert loop.roles.told("witness"), "its endpoint was asked"


def test_the_agent_gets_its_beacon_and_a_short_prime_in_a_small_request(loop: Loop) -> None:
    first = loop.roles.told("witness")[0]
    asked = loop.text(first.prompt)

    assert "[GAS TOWN] witness" in asked
    assert asked.count(MARKER.format("witness")) == 1
    assert 0 < first.bytes <= LARGEST and len(asked.encode()) <= LARGEST
    assert '"Bash"' in asked and '"bash"' not in asked


def test_the_tool_ran_and_its_result_came_back(loop: Loop) -> None:
    first, second = (loop.text(one.prompt) for one in loop.roles.told("witness")[:2])

    assert "gt patrol report" in second.removeprefix(first)


def test_the_session_is_in_the_corpus_with_what_it_was_for_and_how_it_ended(loop: Loop) -> None:
    first, *_ = loop.of("witness")

    assert (first.source, first.role, first.rig, first.outcome) == ("pi", "witness", "demo", "success")
    assert first.answered_by == "witness:1" and "-wisp-" in str(first.bead_id)
    assert '"tool_result"' in json.dumps([one.messages for one in loop.of("witness")])


def test_a_dog_that_is_sent_to_a_plugin_runs_its_own_version(loop: Loop) -> None:
    asked = loop.text(loop.roles.told("dog")[0].prompt)
    (line,) = said(loop, "dogs-alpha")

    assert "Plugin node0-collect dispatched" in asked and asked.count(MARKER.format("dog")) == 1
    assert line["model"] == "dog:1" and "gt dog done" in json.dumps(line["content"])


def test_the_event_of_a_session_names_the_file_that_pi_wrote_and_a_dogs_has_none(loop: Loop) -> None:
    events = map(json.loads, loop.roles.place.events_file.read_text().splitlines())
    begun = {one["payload"]["session_id"] for one in events if one["type"] == "session_start"}

    assert begun == {recorded(loop, "demo-witness")[0]["id"]} == {one.session_id for one in loop.found}


def test_a_session_within_its_window_is_not_summed_up(loop: Loop) -> None:
    kinds = {line["type"] for line in recorded(loop, "demo-witness")}

    assert {"message", "custom_message"} <= kinds and "compaction" not in kinds


def said(loop: Loop, place: str) -> list[dict[str, Any]]:
    """The answers in the one session that pi recorded in a directory."""
    messages = (line["message"] for line in recorded(loop, place) if line["type"] == "message")
    return [message for message in messages if message["role"] == "assistant"]


def recorded(loop: Loop, place: str) -> list[dict[str, Any]]:
    """The lines of the one session that pi recorded in a directory."""
    (file,) = (loop.roles.town.home / ".pi" / "agent" / "sessions").glob(f"*{place}--/*.jsonl")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_what_gt_cannot_do_with_pi_is_said_and_is_so(loop: Loop) -> None:
    town = loop.roles.town

    (said,) = (row for row in loop.status if row["check"] == "harness")
    assert said["state"] == "note" and "pi for dog, demo/witness, demo/crew" in said["found"]
    assert "cannot resume" in said["found"]
    refused = town.run("gt", "crew", "start", "demo", "ada", "--resume", code=1)
    assert 'agent "pi" does not support session resume' in refused
    assert [row["state"] for row in loop.status if row["check"] == "sessions"] == ["ok"]


def test_what_the_server_rendered_begins_a_row_of_the_dataset(loop: Loop) -> None:
    renderer = Renderer(load_tokenizer(loop.roles.base), load_profile("witness"))
    maker = RowMaker(renderer, mode="sft", max_length=1 << 14, over_length="refuse")
    rows = [
        row.ids.tolist()
        for entry in loop.of("witness")
        for row in maker.rows(entry).rows
        if isinstance(row, Row)
    ]

    for one in loop.roles.told("witness")[:2]:
        ids = [*one.prompt, *one.ids]
        assert any(row[: len(ids)] == ids for row in rows)


def test_what_its_user_wrote_for_pi_stays_and_the_town_gets_its_settings_back(loop: Loop) -> None:
    town = loop.roles.town
    assert "gastown.js" in town.run("gt", "config", "agent", "get", "ft-witness-v1")

    for role in ("crew", "dog", "witness"):
        town.node0("model", "rollback", "--role", role, "--town", town.root)
    town.node0("town", "uninstall", "--town", town.root)

    assert (town.root / "settings" / "config.json").read_bytes() == loop.settings
    assert (town.home / ".pi" / "agent" / "models.json").read_text() == MODELS
    assert sorted(one.name for one in (town.home / ".pi" / "agent").iterdir()) == ["models.json", "sessions"]
