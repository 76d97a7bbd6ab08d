# SPDX-License-Identifier: Apache-2.0
"""The gateway over stages that are processes: one is killed in mid-answer, and no client sees it."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from batch_parts import write_adapter
from integration.served_process import Served, anthropic_client, openai_client, serving
from integration.swarm.processes import descendants, init, is_alive, kill, place, stages, start, wait_until

from node0.swarm.run.swarm_run import TRAINER
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

CONTEXT = 2048
LONG = 400
MIDDLE = 40
"Lines of an answer after which a stage is killed."

TURNS: Any = [{"role": "user", "content": "Look at rust, then at brass."}]
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
FUNCTION = {"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}
ASKED: dict[str, Any] = {"model": "tiny", "messages": TURNS, "max_tokens": LONG}
GREEDY: dict[str, Any] = {**ASKED, "temperature": 0}
DRAWN: dict[str, Any] = {**ASKED, "temperature": 0.9, "seed": 5}
ALONE = ("head-0", "body-1", "tail-2")
MEMBERS = (*ALONE, "body-1.2")


@dataclass(slots=True)
class Scene:
    """A run's directory, the adapter that its stages hold, and those that run."""

    run: Path
    adapter: Path
    processes: dict[str, "subprocess.Popen[bytes]"]

    @contextmanager
    def served(self) -> Iterator[Served]:
        """A server over them."""
        with serving("--model", f"tiny={self.adapter}", "--swarm", "--run", self.run) as found:
            yield found


@contextmanager
def scene(directory: Path, *members: str, patience: float = 120.0) -> Iterator[Scene]:
    file = place(directory)
    base = directory / "base"
    (base / "config.json").write_text(_with_context(base / "config.json"))
    adapter = write_adapter(base, directory / "adapter", seed=2)
    run = directory / "swarm"
    init(file, run, "--stages", "3", "--replicas", "body-1=2")
    described = json.loads((run / "run.json").read_text())
    described["deadlines"]["replace"] = patience
    (run / "run.json").write_text(json.dumps(described))
    with stages(run, members) as processes:
        yield Scene(run, adapter, processes)


def _with_context(config: Path) -> str:
    return json.dumps({**json.loads(config.read_text()), "max_position_embeddings": CONTEXT})


def streamed(served: Served, path: str, body: dict[str, Any], at: Callable[[int], None]) -> list[str]:
    """The lines of a streamed answer, without what differs between any two; `at` hears how many came."""
    lines: list[str] = []
    with (
        httpx.Client(base_url=served.url, trust_env=False, timeout=300) as client,
        client.stream("POST", path, json={**body, "stream": True}) as response,
    ):
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            lines.append(_without_names(line))
            at(len(lines))
    return lines


def _without_names(line: str) -> str:
    if not line.startswith("data: {"):
        return line
    event = json.loads(line.removeprefix("data: "))
    for part in (event, event.get("message", {})):
        for name in ("id", "created"):
            part.pop(name, None)
    return json.dumps(event)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Served]]:
    """Stages that nobody kills, and a server over them."""
    with scene(tmp_path_factory.mktemp("whole"), *MEMBERS) as found, found.served() as served:
        yield found, served


def test_greedy_answers_are_those_of_one_process_alone_and_beside_others(whole: tuple[Scene, Served]) -> None:
    found, served = whole
    asked = [
        {**GREEDY, "model": "tiny", "max_tokens": 40, "messages": [{"role": "user", "content": content}]}
        for content in (
            "Look at rust.",
            "Nudge brass " * 60,
            "a",
            "Why?",
            "gt peek iron" * 9,
            "Mail",
            "b",
            "c",
        )
    ]
    with serving("--model", f"tiny={found.adapter}", "--dtype", "float32") as own:
        expected = _words(own, asked, at_once=1)

    alone, together = _words(served, asked, at_once=1), _words(served, asked, at_once=8)

    assert len(set(expected)) == len(asked)
    assert alone == expected
    assert together == expected


def test_what_the_last_stage_cannot_do_is_refused_in_the_clients_form(whole: tuple[Scene, Served]) -> None:
    _, served = whole
    with openai_client(served) as client:
        must_call = {"tools": [FUNCTION], "tool_choice": "required"}
        for wish in ({"logprobs": True}, {"response_format": {"type": "json_object"}}, must_call):
            with pytest.raises(openai.BadRequestError, match="a swarm's last stage"):
                client.chat.completions.create(model="tiny", messages=TURNS, max_tokens=2, **wish)  # type: ignore[call-overload]  # wishes by name


def test_a_stage_killed_in_mid_answer_changes_no_byte(tmp_path: Path) -> None:
    with scene(tmp_path, *MEMBERS) as found, found.served() as served:
        alone = [
            streamed(served, OPENAI, DRAWN, lambda count: None),
            streamed(served, ANTHROPIC, GREEDY, lambda count: None),
        ]
        body_1, middle = found.processes["body-1"], threading.Barrier(2, lambda: kill(body_1))

        def reach(count: int) -> None:
            if count == MIDDLE:
                middle.wait(60)

        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(streamed, served, OPENAI, DRAWN, reach),
                pool.submit(streamed, served, ANTHROPIC, GREEDY, reach),
            ]
            disturbed = [each.result() for each in both]

        below, sockets = descendants(served.process.pid), socket_directory(found.run, TRAINER)
        assert below and sockets.is_dir()
        assert served.stop() == 0
        assert wait_until(lambda: not any(map(is_alive, below)), 20)
        assert not sockets.exists()
        assert [name for name in MEMBERS if found.processes[name].poll() is not None] == ["body-1"]
    assert min(map(len, alone)) > 4 * MIDDLE
    assert disturbed == alone
    assert any("whole again" in line for line in served.said), served.said


def test_a_stage_that_is_started_again_in_mid_answer_changes_no_byte(tmp_path: Path) -> None:
    with scene(tmp_path, *ALONE) as found, found.served() as served:
        expected = streamed(served, OPENAI, DRAWN, lambda count: None)

        def restart(count: int) -> None:
            if count == MIDDLE:
                kill(found.processes["tail-2"])
                found.processes["tail-2"] = start(found.run, "tail-2")

        assert streamed(served, OPENAI, DRAWN, restart) == expected
    assert any("whole again" in line for line in served.said), served.said


def test_a_stage_that_stays_away_ends_the_answer_in_the_clients_form_and_no_other(tmp_path: Path) -> None:
    with scene(tmp_path, *ALONE, patience=4.0) as found, found.served() as served:
        expected = streamed(served, OPENAI, GREEDY, lambda count: None)
        body_1 = found.processes["body-1"]
        with openai_client(served) as client, pytest.raises(openai.APIError, match="nobody holds body-1"):
            asked: dict[str, Any] = {"model": "tiny", "messages": TURNS, **GREEDY, "stream": True}
            for number, _ in enumerate(client.chat.completions.create(**asked)):
                if 2 * number == MIDDLE:
                    kill(body_1)
        with anthropic_client(served) as client, pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.create(model="tiny", messages=TURNS, max_tokens=3)
        assert (refused.value.status_code, "nobody holds body-1" in str(refused.value)) == (502, True)

        found.processes["body-1"] = start(found.run, "body-1")
        log = found.run / "body-1.log"
        assert wait_until(lambda: log.read_text().count("Server started") == 2, 120)
        assert streamed(served, OPENAI, GREEDY, lambda count: None) == expected


def _words(served: Served, asked: list[dict[str, Any]], *, at_once: int) -> list[str]:
    """The answers, asked so many at once."""
    with openai_client(served) as client, ThreadPoolExecutor(at_once) as pool:
        found = pool.map(lambda each: client.chat.completions.create(**each), asked)
        return [answer.choices[0].message.content for answer in found]
