# SPDX-License-Identifier: Apache-2.0
"""The real Claude Code works through ten steps with a trained deacon on our own engine.

So small a model follows no harness: its weights, blocks and adapter read every request, and what it answers
is held to a script. The deacon's profile stands in the place of the harness's prompt, as it does when it is
deployed, so that all of it fits the 2,048 positions of the sample base.
"""

import json
from collections.abc import Iterator

import pytest
from integration.claude_code.sessions import Home, find_claude
from integration.engines.held_session import HeldSession, Usage, append_line, calls, held_deacon
from integration.engines.sample_deacon import NAME, Deacon

CLAUDE = find_claude()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CLAUDE is None, reason="Claude Code is not installed; `make town-tools` installs it"),
]


@pytest.fixture(scope="module")
def session(deacon: Deacon, tmp_path_factory: pytest.TempPathFactory) -> HeldSession:
    assert CLAUDE is not None
    place = tmp_path_factory.mktemp("claude")
    home = Home(place / "home")
    with held_deacon(deacon, place, calls("Bash", command=append_line)) as held:
        arguments = ("--tools", "Bash", "--model", NAME)
        printed = home.printed(held.url, "Take ten steps.", *arguments, claude=CLAUDE)
        steps = home.project / "steps"
        return held.session(list(_usages(home)), last_words=printed["result"], steps=steps)


def test_ten_steps_are_taken_and_the_last_words_are_shown(session: HeldSession) -> None:
    session.assert_taken()


def test_the_model_is_asked_as_its_profile_says(session: HeldSession) -> None:
    session.assert_deployed("Bash")


def test_each_request_reuses_the_one_before(session: HeldSession) -> None:
    session.assert_reused()


def test_what_was_reused_is_worth_what_is_computed_anew(session: HeldSession, deacon: Deacon) -> None:
    session.assert_likelihoods(deacon)


def _usages(home: Home) -> Iterator[Usage]:
    """Of each answer once, however many lines of the session's file it takes."""
    (transcript,) = home.transcripts()
    lines = map(json.loads, transcript.read_text("utf-8").splitlines())
    answers = {
        line["message"]["id"]: line["message"]["usage"] for line in lines if line["type"] == "assistant"
    }
    for usage in answers.values():
        reused = usage["cache_read_input_tokens"]
        yield Usage(usage["input_tokens"] + reused, reused)
