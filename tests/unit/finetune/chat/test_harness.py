# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.chat import harness
from node0.finetune.chat.harness import (
    Rules,
    clean_reminders,
    clean_result,
    clean_turn,
    clean_words,
    compiled,
    reduce_prime,
)

MARKER = "# Reduced prime: fine-tuned model active for role deacon"
PRIME = "[GAS TOWN] role:deacon\n# Manual\nlong\n## Hooked Work\nhq-a1\n## Commands\nmore\n## Mail\nnone"


def rules(length: int = 1500, **patterns: Any) -> Rules:
    given = {"prime_sections": harness.PRIME_SECTIONS, "keep": harness.KEEP, "drop": harness.DROP} | patterns
    return Rules("deacon", length, **{name: compiled(value) for name, value in given.items()})


def test_a_prime_keeps_only_the_sections_of_the_sessions_own_work() -> None:
    assert reduce_prime(PRIME, rules()) == f"{MARKER}\n## Hooked Work\nhq-a1\n## Mail\nnone"


@pytest.mark.parametrize("length", [0, 10, len(MARKER), len(MARKER) + 5, 90, 1500])
def test_reducing_twice_is_reducing_once_at_any_length(length: int) -> None:
    once = reduce_prime(PRIME, rules(length))

    assert reduce_prime(once, rules(length)) == once
    assert len(once) <= max(length, len(MARKER))


def test_a_comment_in_code_is_no_heading_and_the_manual_on_hooks_goes() -> None:
    manual = (
        "# Manual\n```bash\n# Work hooked? Run it.\n```\n## Hookable Mail\nhow to\n## Handoff (Wisp-Based)\n"
    )
    text = (
        f"[GAS TOWN] role:deacon\n{manual}## 🔄 Patrol Status\nhq-wisp-1\n```\n# bd show\n```\n# Beads\nmore"
    )

    assert reduce_prime(text, rules()) == f"{MARKER}\n## 🔄 Patrol Status\nhq-wisp-1\n```\n# bd show\n```"


def test_what_was_reduced_before_is_left_up_to_what_a_harness_passes_on() -> None:
    text = f"{MARKER}\n{'x' * 30_000}"

    assert len(reduce_prime(text, rules(100))) == harness.WHOLE_PRIME
    assert reduce_prime(text[:9_000], rules(100)) == text[:9_000]


@pytest.mark.parametrize("text", [PRIME, f"{MARKER}\nwork", f"words before\n{MARKER}"])
def test_a_prime_is_known_full_or_reduced(text: str) -> None:
    assert harness.is_prime(text)
    assert not harness.is_prime(text.replace("[GAS TOWN]", "").replace("# Reduced prime", ""))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("# Environment\nlinux", ""),
        ("# Environment\nYou have 2 unread messages", "# Environment\nYou have 2 unread messages"),
        ("  The refinery died. ", "The refinery died."),
    ],
)
def test_a_listing_goes_unless_the_answer_depends_on_it(text: str, left: str) -> None:
    assert clean_turn(text, rules()) == left


def test_the_rules_decide_what_stays() -> None:
    assert clean_turn("tick tock", rules(drop=["^tick"])) == ""
    assert clean_turn("tick tock", rules(drop=["^tick"], keep=["tock$"])) == "tick tock"


def test_a_result_without_a_reminder_stays_to_the_letter() -> None:
    assert clean_result("  two files \n", rules()) == "  two files \n"
    assert clean_result("a<system-reminder>todo</system-reminder>", rules()) == "a"
    assert clean_result(PRIME, rules()).startswith(MARKER)


def test_reminders_are_judged_one_by_one() -> None:
    text = "<system-reminder>todo</system-reminder>go<system-reminder> a nudge </system-reminder>"

    assert clean_reminders(text, rules()) == "go<system-reminder>\na nudge\n</system-reminder>"


def test_the_harness_own_lines_go_from_a_system_prompt() -> None:
    head = "x-anthropic-billing-header: 1\nYou are Claude Code, Anthropic's official CLI for Claude.\nPatrol."

    assert harness.without_boilerplate(head) == "Patrol."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("as it is", "as it is"),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}], "a\n[image]\nb"),
    ],
)
def test_a_result_is_one_text(content: Any, text: str) -> None:
    assert harness.result_text({"type": "tool_result", "tool_use_id": "t", "content": content}) == text


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n  <cwd>/srv</cwd>\n</environment_context>",
        "<session_context>\nToday is Monday. Files: handoff.md\n</session_context>\n",
        "<skills_instructions>\nmany\n</skills_instructions>",
    ],
)
def test_what_another_harness_says_of_itself_goes_from_every_turn(text: str) -> None:
    assert clean_words(text, rules()) == ""
    assert clean_turn(text, rules()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n</environment_context>\nNow begin.",
        "What does <environment_context> mean in </environment_context>",
        "<turn_aborted>\nstopped\n</turn_aborted>",
    ],
)
def test_words_beside_a_harness_own_stay(text: str) -> None:
    assert clean_words(text, rules()) == text


def test_a_prime_that_is_a_user_turn_is_reduced_once() -> None:
    once = clean_words(PRIME, rules())

    assert once == reduce_prime(PRIME, rules())
    assert clean_words(once, rules()) == once
    assert clean_words(f"Read this: {PRIME}", rules()) == f"Read this: {PRIME}"
