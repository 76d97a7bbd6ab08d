# SPDX-License-Identifier: Apache-2.0
"""Derive a bead's outcome from its closing: from its reason's words, or from who closed it.

bd knows neither done nor failed; docs/outcomes.md argues the rules, with figures.
"""

import re
from typing import NamedTuple

from node0.finetune.corpus.town.actors import role_and_rig

NO_REASON = frozenset({"", "closed", "closed."})
REASONS: tuple[tuple[str, str, str], ...] = (
    # What follows these words is a patrol's report of others' work.
    ("success", "says that a patrol was walked", r"^patrol cycle complete\b|^squashed\b"),
    ("abandoned", "nobody walked it to its end", r"^burned\b"),
    (
        "abandoned",
        "never was work",
        r"^(?:garbage|noise|pollution|--?help|help artifact|test[ /](?:noise|group)|maintenance artifact)"
        r"|^misfiled"
        r"|\bnot (?:a )?real issues?\b|\bnoise pollution\b",
    ),
    (
        "abandoned",
        "stale, duplicate or superseded",
        r"^(?:stale|duplicate|dup of|superseded|obsolete|outdated|no longer)",
    ),
    (
        "abandoned",
        "decided against",
        r"^(?:reject|wrong|won.?t ?(?:fix|do)|invalid|cancel|abandon|declin|not (?:needed|a bug|reproducible)"
        r"|cannot reproduce|accepted limitation|by design|out of scope)",
    ),
    ("failure", "says that it failed", r"^(?:fail|revert|gave up|unable)|\blost (?:findings|work)\b"),
    (
        "success",
        "nothing had to be done",
        r"^no.changes?\b|\bno code changes\b|^already\b|\b(?:tests? )?pass(?:es)? now\b",
    ),
    (
        "success",
        "says what was done",
        r"^(?:direct )?merge|^(?:fix|shipped|implement|complete|done|add|creat|remov|replac|consolidat|updat"
        r"|verif|new\b|push|deploy|resolv|refactor|document|migrat|renam|mov)"
        r"|^all \d+ .*\b(?:completed|closed|done)\b"
        r"|\b(?:merged|pushed|shipped|committed) (?:to|in|into|on) \w+|\bcommit [0-9a-f]{7,40}\b"
        r"|\bcompleted?(?: successfully)?\b|\b(?:updated|configured|initialized|created|fixed)\b",
    ),
)
"Outcome, name of the rule, pattern of the reason; the first that fits."

KNOWN = tuple((outcome, rule, re.compile(pattern, re.IGNORECASE)) for outcome, rule, pattern in REASONS)


class Derived(NamedTuple):
    """An outcome and the rule that gave it."""

    outcome: str
    rule: str


def of_closing(reason: str, closer: str, worker: str, *, replaced: str = "") -> Derived:
    """The outcome that a closing tells.

    Args:
        reason: In the words of whoever closed it.
        closer: Who that was.
        worker: Who had the bead; empty when nobody had.
        replaced: As the bead says; `bd duplicate` and `bd supersede` close without a word.
    """
    words = " ".join(reason.split())
    if replaced and not words:
        return Derived("abandoned", f"closed as {replaced}")
    if words.lower() in NO_REASON:
        if role_and_rig(closer)[0] == "refinery":
            return Derived("success", "closed by the refinery")
        if worker and closer == worker:
            return Derived("success", "closed by its worker")
        return Derived("unknown", "closed without a reason")
    for outcome, rule, pattern in KNOWN:
        if pattern.search(words):
            return Derived(outcome, f"the reason {rule}" if rule.startswith("says") else rule)
    return Derived("unknown", "a reason that no rule knows")
