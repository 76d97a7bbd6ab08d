# SPDX-License-Identifier: Apache-2.0
"""The whole loop with the real programs: gt starts agents that ask us, and their sessions become the corpus.

Each role is started by the program path of gt that a town uses, with the entry that a deployment wrote:
deacon, witness and refinery by their `start`, the polecat by `gt sling`.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from gastown.real_town import real_town, why_not
from gastown.role_town import RoleTown, call, role_town
from integration.engines.held_session import Told

from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.rows import Row, RowMaker
from node0.finetune.data.tokenizer import load_tokenizer

MISSING = why_not("claude")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("deacon", "witness", "refinery", "polecat")
MARKER = "# Reduced prime: fine-tuned model active for role {}"
LAST_WORDS = "Done."
LARGEST = 8 * 1024
"Bytes of a request before its first turn."

PATROLS = (("deacon", "{}"), ("witness", "{}", "demo"), ("refinery", "{}", "demo"))


@dataclass(frozen=True)
class Loop:
    """What was done in the town, and what the corpus knows of it."""

    roles: RoleTown
    bead: str
    "That the polecat worked on."

    agents: dict[str, list[str]]
    "By role, the agents whose harness ran."

    found: list[CorpusEntry]

    def entries(self, role: str) -> list[CorpusEntry]:
        """Of one role, oldest first: a patrol that was reported ends one, and the next one begins."""
        return sorted((one for one in self.found if one.role == role), key=lambda one: len(one.messages))

    def text(self, ids: list[int]) -> str:
        """What ids mean."""
        return str(load_tokenizer(self.roles.base).decode(ids))


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Every role was started, did its work and was stopped, and its session was collected."""
    with real_town(tmp_path_factory.mktemp("home")) as town:
        made = town.run("env", "-C", town.root / "demo", "bd", "create", "Mend the crane lamp", "--json")
        (bead,) = re.findall(r'"id": "([^"]+)"', made)
        with role_town(town, script(bead)) as roles:
            agents = work(roles, bead)
            town.node0("corpus", "collect", "--town", town.root)
            yield Loop(roles, bead, agents, list(CorpusStore(roles.place).list()))


def script(bead: str) -> dict[str, list[str]]:
    """What each role's version says: it runs a command, and reports."""
    report = "gt patrol report --summary 'All is quiet.'"
    closes = f"bd close {bead} --reason='no-changes: it shines already' && gt done"
    commands = {"deacon": report, "witness": report, "refinery": report, "polecat": closes}
    return {role: [call("Bash", command=command), LAST_WORDS] for role, command in commands.items()}


def work(roles: RoleTown, bead: str) -> dict[str, list[str]]:
    """Start each role as a town does, wait until it has done what its script says, and end it as gt does."""
    with ThreadPoolExecutor() as beside:
        slung = beside.submit(roles.town.run, "gt", "sling", bead, "demo")
        for words in PATROLS:
            roles.town.run("gt", *(word.format("start") for word in words))
        slung.result()
        for role in ROLES:
            roles.wait(role, 2)
        roles.wait_recorded(roles.town.home / ".claude" / "projects", LAST_WORDS, sessions=len(ROLES))
        agents = {role: roles.town.running(role) for role in ROLES}
        ends = [*PATROLS, ("session", "{}", "demo/rust")]
        list(beside.map(lambda words: roles.town.run("gt", *(word.format("stop") for word in words)), ends))
    roles.until(lambda: not roles.town.panes(), "the end of every session")
    return agents


@pytest.mark.parametrize("role", ROLES)
def test_gt_starts_the_agent_that_was_deployed(loop: Loop, role: str) -> None:
    assert loop.agents[role] == [f"ft-{role}-v1"]


@pytest.mark.parametrize("role", ROLES)
def test_the_agent_sees_its_beacon_and_its_reduced_prime_whole(loop: Loop, role: str) -> None:
    asked = loop.text(loop.roles.told(role)[0].prompt)

    assert f"[GAS TOWN] {role}" in asked
    assert asked.count(MARKER.format(role)) == 1
    assert last_line(hook_output(loop, role)) in asked


@pytest.mark.parametrize("role", ROLES)
def test_what_is_sent_and_read_before_the_first_turn_is_small(loop: Loop, role: str) -> None:
    first = loop.roles.told(role)[0]

    assert 0 < first.bytes <= LARGEST, "as the harness sends it"
    assert len(loop.text(first.prompt).encode()) <= LARGEST, "as the model reads it"


@pytest.mark.parametrize("role", ROLES)
def test_the_session_is_in_the_corpus_with_what_it_was_for_and_how_it_ended(loop: Loop, role: str) -> None:
    first, *_, last = loop.entries(role) * 2

    assert first.rig == ("hq" if role == "deacon" else "demo")
    assert first.outcome == "success"
    assert (first.bead_id == loop.bead) if role == "polecat" else "-wisp-" in str(first.bead_id)
    assert '"tool_result"' in json.dumps(last.messages) and LAST_WORDS in json.dumps(last.messages)


@pytest.mark.parametrize("role", ROLES)
def test_what_the_server_rendered_begins_a_row_of_the_dataset(loop: Loop, role: str) -> None:
    told, rows = loop.roles.told(role), dataset_rows(loop, role)

    for one in told[:2]:
        ids = [*one.prompt, *one.ids]
        assert any(row[: len(ids)] == ids for row in rows), first_difference(loop, one, rows)


def dataset_rows(loop: Loop, role: str) -> list[list[int]]:
    """Ids that a training sees of the role's sessions."""
    renderer = Renderer(load_tokenizer(loop.roles.base), load_profile(role))
    maker = RowMaker(renderer, mode="sft", max_length=1 << 14, over_length="refuse")
    made = (row for entry in loop.entries(role) for row in maker.rows(entry).rows)
    return [row.ids.tolist() for row in made if isinstance(row, Row)]


def first_difference(loop: Loop, one: Told, rows: list[list[int]]) -> str:
    """Where the server's ids leave the row that follows them longest."""
    ids = [*one.prompt, *one.ids]
    shared = [sum(ours == theirs for ours, theirs in zip(ids, row, strict=False)) for row in rows]
    at, row = max(zip(shared, rows, strict=True), default=(0, []))
    near = slice(max(0, at - 20), at + 40)
    return f"about {at} of {len(ids)} ids:\n{loop.text(ids[near])!r}\n{loop.text(row[near])!r}"


def last_line(text: str) -> str:
    return [line.strip() for line in text.splitlines() if line.strip()][-1]


def hook_output(loop: Loop, role: str) -> str:
    """What the hook printed when the session began, by the session's file."""
    session = loop.entries(role)[0].session_id
    (file,) = (loop.roles.town.home / ".claude" / "projects").rglob(f"{session}.jsonl")
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    hooks = [line["attachment"] for line in lines if line.get("type") == "attachment"]
    (first, *_) = [hook for hook in hooks if hook.get("hookName") == "SessionStart:startup"]
    return str(first.get("content") or first.get("stdout"))
