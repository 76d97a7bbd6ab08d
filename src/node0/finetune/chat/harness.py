# SPDX-License-Identifier: Apache-2.0
"""Turns that a harness adds to a conversation by itself, and which of them a deployed model meets.

Hook output (the role's prime among it), environment, date, and listings stand in `system` turns or
in `<system-reminder>` spans of user turns. Other harnesses put them between tags of their own, and a prime
into a user turn. Seen in Claude Code 2.1.330, Codex 0.171.0, Gemini CLI 0.61.0 and Gas Town 1.0.1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from node0.finetune.chat.messages import ToolResultBlock

PRIME_SECTIONS = (
    r"(?i)hooked|attached|assign|autonomous|current step|ralph loop|patrol status|molecule",
    r"(?i)checkpoint|handoff from|directives|escalations|\bpaused\b|^#+ (\W+ )?(hook|mail|inbox)\b\W*$",
)
"Headings of a prime under which that session's own work stands; the rest repeats the role's manual."

WHOLE_PRIME = 10_000
"Characters of a hook's output that a harness passes on whole: a prime that we reduced is no longer."

KEEP = (r"(?i)\bunread (mail|message)", r"(?i)\bnudge", r"(?i)\bhandoff\b")
"What a reminder may say that the answer depends on."

DROP = (
    r"(?i)^\s*(#+ )?(<env>|environment\b|here is useful information about the environment)",
    r"(?i)^\s*(#+ )?(today'?s date|the date has changed|current ?date)",
    r"(?i)^\s*(#+ )?(the following skills are available|skills? (relevant|available))",
    r"(?i)^\s*(<available-deferred-tools>|the following (deferred )?tools are)",
    r"(?i)^\s*(#+ )?(claudemd\b|codebase and user instructions|contents of \S+(claude|agents)\.md)",
    r"(?i)^\s*(#+ )?(gitstatus\b|session context\b|as you answer the user'?s questions)",
)
"How the harness's own listings begin."

_MARKER = "# Reduced prime: fine-tuned model active for role {role}"
_ANY_MARKER = re.compile(r"# Reduced prime: fine-tuned model active for role [^\n]*")
_PRIME = re.compile(r"\[GAS TOWN\] role:")
_HEADING = re.compile(r"^(?:```.*?^```|#{1,6} [^\n]*$)", re.MULTILINE | re.DOTALL)
"Also whole blocks of code, in which a comment is no heading."

_OPENS = re.compile(
    r"\s*<(environment_context|user_instructions|skills_instructions|permissions instructions"
    r"|collaboration_mode|session_context)>"
)
"How a text begins in which Codex or Gemini CLI tells the model where it is, and nobody speaks."

_PRIME_ALONE = re.compile(r"\s*(\[GAS TOWN\] role:|# Reduced prime: fine-tuned model active for role )")

_REMINDER = re.compile(r"<system-reminder>(.*?)</system-reminder>", re.DOTALL)
_BILLING = re.compile(r"^x-anthropic-billing-header:.*$", re.MULTILINE)
_IDENTITY = re.compile(r"^You are Claude Code, Anthropic's official CLI for Claude[^\n]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rules:
    """Which of the harness's own words stay."""

    role: str
    max_prime_chars: int
    prime_sections: tuple[re.Pattern[str], ...]
    keep: tuple[re.Pattern[str], ...]
    drop: tuple[re.Pattern[str], ...]


def compiled(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns, ready to search."""
    return tuple(re.compile(pattern) for pattern in patterns)


def is_prime(text: str) -> bool:
    """Whether a hook or a command printed a role's prime here, full or reduced."""
    return _PRIME.search(text) is not None or _ANY_MARKER.search(text) is not None


def reduce_prime(text: str, rules: Rules) -> str:
    """A marker line and the prime's sections on the session's own work, within the length.

    A text that holds the marker was reduced before and is left, up to what a harness passes on: reducing
    twice changes nothing, and what `gt-model prime` adds to a prime reaches the model.
    """
    marker = _MARKER.format(role=rules.role)
    marked = _ANY_MARKER.search(text)
    body = text[marked.end() :] if marked else _own_sections(text, rules)
    longest = WHOLE_PRIME if marked else rules.max_prime_chars
    # Cutting first and stripping last makes a second cut a no-op.
    room = max(0, longest - len(marker) - 1)
    return f"{marker}\n{body.strip()[:room]}".strip()


def clean_turn(text: str, rules: Rules) -> str:
    """What is left of a system turn in mid-conversation: primes reduced, listings gone."""
    if is_prime(text):
        return reduce_prime(text, rules)
    if _is_context(text) or (not _any(rules.keep, text) and _any(rules.drop, text)):
        return ""
    return text.strip()


def clean_words(text: str, rules: Rules) -> str:
    """A user turn's text: a prime reduced, a harness's own context gone, else its reminders cleaned."""
    if _PRIME_ALONE.match(text):
        return reduce_prime(text, rules)
    return "" if _is_context(text) else clean_reminders(text, rules)


def clean_reminders(text: str, rules: Rules) -> str:
    """A user's words, with primes reduced in reminders and only telling reminders left."""

    def replaced(found: re.Match[str]) -> str:
        inner = found.group(1)
        if is_prime(inner):
            inner = reduce_prime(inner, rules)
        elif not _any(rules.keep, inner):
            return ""
        return f"<system-reminder>\n{inner.strip()}\n</system-reminder>"

    return _REMINDER.sub(replaced, text).strip()


def clean_result(text: str, rules: Rules) -> str:
    """A tool's answer: a prime reduced, reminders as in a user turn, else as it is."""
    if is_prime(text):
        return reduce_prime(text, rules)
    return clean_reminders(text, rules) if "<system-reminder>" in text else text


def without_boilerplate(system: str) -> str:
    """A recorded system prompt without the harness's billing and identity lines."""
    return _IDENTITY.sub("", _BILLING.sub("", system)).strip()


def result_text(block: ToolResultBlock) -> str:
    """A tool's answer as one text; what is no text shows as its kind in brackets."""
    content = block.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


def _is_context(text: str) -> bool:
    """Whether a harness alone speaks, from the first tag to the last."""
    opened = _OPENS.match(text)
    return opened is not None and text.rstrip().endswith(f"</{opened.group(1)}>")


def _own_sections(text: str, rules: Rules) -> str:
    heads = [found for found in _HEADING.finditer(text) if found.group().startswith("#")]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    own = [
        text[head.start() : end].strip()
        for head, end in zip(heads, ends, strict=True)
        if _any(rules.prime_sections, head.group())
    ]
    return "\n".join(own)


def _any(patterns: tuple[re.Pattern[str], ...], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)
