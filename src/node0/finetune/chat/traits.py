# SPDX-License-Identifier: Apache-2.0
"""Traits of a chat template: what it takes, and how it renders."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one chat template; found by `template_probe`."""

    tools: bool = True
    "Tool lists, calls and results."

    parallel_calls: bool = True
    "Several calls in one answer."

    system: bool = True
    "A system turn at the start."

    middle_system: bool = True
    "System turns later on."

    user_runs: bool = True
    "Several user turns in a row."

    user_after_tool: bool = True
    "A user turn after a tool's."

    assistant_first: bool = True
    "An assistant turn with no user turn before it."

    assistant_runs: bool = True
    "Several assistant turns in a row."

    prefix_preserving: bool = True
    "A conversation's rendering begins with that of any earlier request in it."

    generation_prompt: str = ""
    "What starts every answer; empty where it varies or could be forged by content."

    end: str = ""
    "The special token that ends an answer; empty where there is none."
