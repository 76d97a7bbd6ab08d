# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_chat import BASH, calls, result, says, system, user

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import text_of
from node0.finetune.chat.profile import DeploymentProfile, apply_profile, dump_profile, load_profile
from node0.finetune.role import Role

PRIME = (
    "SessionStart:startup hook success: [GAS TOWN] role:deacon pid:1 session:x\n"
    "# Deacon Context\nmanual manual\n"
    "## Hooked Work\nhq-a1 mend the pump\n## Commands\nmanual again\n"
)
MARKER = "# Reduced prime: fine-tuned model active for role deacon"
READ: Any = {
    "name": "Read",
    "description": "Long words.",
    "input_schema": {"type": "object", "properties": {}},
}
DEACON = load_profile("deacon")


def request(
    *messages: Any, head: str = "x-anthropic-billing-header: 1\nLong prompt.", tools: Any = (BASH, READ)
) -> Any:
    return {"system": head, "tools": list(tools), "messages": list(messages)}


def words(deployed: Any) -> list[str]:
    return [text_of(message) for message in deployed["messages"]]


@pytest.mark.parametrize("role", [*Role, "surveyor"])
def test_every_role_has_a_profile(role: str) -> None:
    profile = load_profile(role)

    assert profile.role == role
    assert profile.card and len(profile.card.split()) < 90
    assert "Bash" in profile.by_name


def test_the_card_replaces_the_recorded_prompt() -> None:
    deployed = apply_profile(request(user("go")), DEACON)

    assert deployed["system"] == str(DEACON.card).strip()


def test_without_a_card_only_the_harness_lines_go() -> None:
    head = (
        "x-anthropic-billing-header: cc\nYou are Claude Code, Anthropic's official CLI for Claude.\nBe kind."
    )

    deployed = apply_profile(request(user("go"), head=head), DeploymentProfile(role="deacon"))

    assert deployed["system"] == "Be kind."


def test_tools_are_those_offered_that_the_profile_knows_in_its_words() -> None:
    deployed = apply_profile(request(user("go")), DEACON)

    assert [tool["name"] for tool in deployed["tools"]] == ["Bash"]
    assert deployed["tools"][0]["description"] == "Run a shell command."
    assert apply_profile(request(tools=[READ]), DEACON)["tools"] == []


def test_inputs_beyond_the_schema_are_left_out() -> None:
    call = calls("ls")
    call["content"][0]["input"]["description"] = "List files"

    deployed: Any = apply_profile(request(user("go"), call), DEACON)

    assert deployed["messages"][1]["content"][0]["input"] == {"command": "ls"}


@pytest.mark.parametrize(
    "listing",
    [
        "Today's date is 2026-03-01.",
        "# Environment\nplatform: linux",
        "Here is useful information about the environment you are running in:\n<env>",
        "The following skills are available for use with the Skill tool:\n- x",
        "gitStatus: This is the git status",
        "# claudeMd\nCodebase and user instructions are shown below.",
    ],
)
def test_the_harness_listings_go(listing: str) -> None:
    assert words(apply_profile(request(user("go"), system(listing)), DEACON)) == ["go"]


def test_other_system_turns_stay() -> None:
    assert words(apply_profile(request(system("The refinery has died.")), DEACON)) == [
        "The refinery has died."
    ]


def test_a_prime_keeps_the_sessions_own_work() -> None:
    turn, answer = apply_profile(request(system(PRIME), calls("gt prime"), result(PRIME)), DEACON)[
        "messages"
    ][::2]
    block: Any = answer["content"][0]

    assert text_of(turn) == f"{MARKER}\n## Hooked Work\nhq-a1 mend the pump"
    assert block["content"] == text_of(turn)


def test_a_prime_is_cut_to_the_profiles_length() -> None:
    profile = DEACON.model_copy(update={"max_prime_chars": 80})

    (text,) = words(apply_profile(request(system(PRIME)), profile))

    assert len(text) <= 80
    assert text.startswith(MARKER)


def test_reminders_go_unless_the_answer_depends_on_them() -> None:
    reminder = "<system-reminder>{}</system-reminder>"
    turn = user(
        "go" + reminder.format("Use todos.") + reminder.format("You have 1 unread message from mayor")
    )

    assert words(apply_profile(request(turn), DEACON)) == [
        "go<system-reminder>\nYou have 1 unread message from mayor\n</system-reminder>"
    ]


def test_a_turn_of_which_nothing_is_left_goes() -> None:
    thoughts = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}
    reminder = user("<system-reminder>Use todos.</system-reminder>")

    assert apply_profile(request(reminder, thoughts, says("ok")), DEACON)["messages"] == [says("ok")]


PIECES = st.sampled_from(
    [
        PRIME,
        "<system-reminder>",
        "</system-reminder>",
        "\n",
        "# Hook\n",
        "mail: unread message",
        MARKER,
        "x" * 70,
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)
TURNS = st.one_of(TEXTS.map(user), TEXTS.map(system), TEXTS.map(says), TEXTS.map(result), TEXTS.map(calls))


@given(turns=st.lists(TURNS, max_size=5), head=TEXTS, cut=st.integers(0, 200))
def test_applying_twice_is_applying_once(turns: list[Any], head: str, cut: int) -> None:
    for profile in (DEACON, DeploymentProfile(role="deacon", max_prime_chars=cut)):
        once = apply_profile(request(*turns, head=head), profile)

        assert apply_profile(once, profile) == once


@given(turns=st.lists(TURNS, min_size=1, max_size=5))
def test_a_request_that_extends_another_still_does(turns: list[Any]) -> None:
    shorter = apply_profile(request(*turns[:-1]), DEACON)["messages"]

    assert apply_profile(request(*turns), DEACON)["messages"][: len(shorter)] == shorter


def test_an_operators_file_overrides_the_shipped_profile(tmp_path: Path) -> None:
    (tmp_path / "deacon.yaml").write_text(
        "card: Mine.\ntools: [Bash, {name: X, description: d, input_schema: {}}]\n"
    )

    for path in (tmp_path, tmp_path / "deacon.yaml"):
        profile = load_profile("deacon", path)
        assert (profile.card, list(profile.by_name)) == ("Mine.", ["Bash", "X"])
    assert load_profile("witness", tmp_path) == load_profile("witness")


def test_a_written_profile_reads_back(tmp_path: Path) -> None:
    dump_profile(DEACON, tmp_path / "profile.yaml")

    assert load_profile("deacon", tmp_path / "profile.yaml").digest == DEACON.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "no mapping"),
        ("card: [", "no YAML"),
        ("card: 2026-02-30", "no YAML"),
        ("cart: x", "cart"),
        ("tools: [Hammer]", "no shipped tool 'Hammer'"),
        ("keep: ['(']", "no regular expression"),
    ],
)
def test_a_bad_profile_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=message) as caught:
        load_profile("deacon", file)
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"card: caf\xe9\n")

    with pytest.raises(ConfigError, match=r"cannot read profile .*p.yaml: not UTF-8 text; name a YAML file"):
        load_profile("deacon", tmp_path / "p.yaml")


def test_a_missing_profile_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        load_profile("deacon", tmp_path / "none.yaml")


def test_writing_a_profile_takes_no_other_file_of_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "deacon.yaml"
    dump_profile(DEACON, path)
    (tmp_path / "deacon.yaml.tmp").write_text("another's")

    dump_profile(DEACON.model_copy(update={"card": "New."}), path)

    assert load_profile("deacon", path).card == "New."
    assert sorted(file.name for file in tmp_path.iterdir()) == ["deacon.yaml", "deacon.yaml.tmp"]
    assert (tmp_path / "deacon.yaml.tmp").read_text() == "another's"
