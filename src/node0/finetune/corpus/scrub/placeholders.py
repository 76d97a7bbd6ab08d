# SPDX-License-Identifier: Apache-2.0
"""Placeholders: numbered words that stand where a value was redacted."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from node0.finetune.corpus.scrub.finding import Finding

KINDS = ("EMAIL", "IP", "PRIVATE_IP", "MAC", "PHONE", "NAME", "USER", "RIG", "BEAD", "PATH", "HOST")
NUMBER = re.compile(rf"_(?:{'|'.join(f'(?<={kind}_)' for kind in KINDS)})\d")
"A search is fast where it begins with a sign."

NUMBERED = re.compile(rf"\[?\b({'|'.join(KINDS)})_(\d{{1,9}})\b\]?")
REDACTED = re.compile(r"\[REDACTED:[a-z0-9-]{1,64}\]")


def without_placeholders(text: str) -> str:
    """What of a text is not ours."""
    return NUMBERED.sub("", REDACTED.sub("", text))


class SurrogateSource(Protocol):
    """What gives surrogates to the values of one entry."""

    def reserve(self, text: str) -> None:
        """Keep what stands in a text from being given out."""

    def text(self, kind: str, written: str) -> str | None:
        """What is written in place of a value; None where that takes a placeholder."""

    def remember(self, written: str, replacement: str) -> None:
        """Note what replaces a value that has no surrogate."""

    def again(self, text: str) -> str:
        """The text with what was found elsewhere replaced here too."""


@dataclass
class Placeholders:
    """The numbers given out in one entry."""

    given: dict[tuple[str, str], int] = field(default_factory=dict)
    highest: Counter[str] = field(default_factory=Counter)
    stand_ins: "SurrogateSource | None" = None
    "Gives a made-up value of the same shape where there can be one."

    replaced: list[tuple[str, str]] = field(default_factory=list)
    "Every secret that something was written in place of: its kind, and how it stood there."

    def reserve(self, text: str) -> None:
        """Never give out a number that the text already uses, nor a value."""
        if self.stand_ins:
            self.stand_ins.reserve(text)
        if not NUMBER.search(text):
            return
        for kind, number in NUMBERED.findall(text):
            self.highest[kind] = max(self.highest[kind], int(number))

    def text(self, finding: Finding, written: str = "", *, made_up: bool = True) -> str:
        """What replaces the finding, which is written so: `made_up` where that can be."""
        if not finding.name:
            self.replaced.append((finding.kind, written))
            surrogate = self.stand_ins.text(finding.kind, written) if self.stand_ins and made_up else None
            placeholder = f"[REDACTED:{finding.kind}]"
            if self.stand_ins and surrogate is None:
                self.stand_ins.remember(written, placeholder)
            return placeholder if surrogate is None else surrogate
        word = finding.kind.upper().replace("-", "_")
        key = (word, finding.name)
        if key not in self.given:
            self.highest[word] += 1
            self.given[key] = self.highest[word]
        label = f"{word}_{self.given[key]}"
        return label if finding.kind == "user" else f"[{label}]"


def replaced(
    text: str, findings: Sequence[Finding], placeholders: Placeholders, *, made_up: bool = True
) -> tuple[str, list[int]]:
    """The text with each finding replaced, and where in it that stands.

    Args:
        made_up: By a surrogate where there can be one.
    """
    pieces: list[str] = []
    places: list[int] = []
    done = length = 0
    for finding in findings:
        before = text[done : finding.start]
        stand_in = placeholders.text(finding, text[finding.start : finding.end], made_up=made_up)
        places.append(length + len(before))
        length += len(before) + len(stand_in)
        pieces += [before, stand_in]
        done = finding.end
    return "".join([*pieces, text[done:]]), places
