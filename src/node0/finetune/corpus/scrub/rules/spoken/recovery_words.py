# SPDX-License-Identifier: Apache-2.0
"""The rule for the words that restore a wallet or an account (BIP 39), behind their name."""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule

WORD = r"[a-z\xc0-\u024f]{3,9}"
APART = r"[ \t\n,]{1,3}(?:\d{1,2}[.)][ \t]?)?"
MOST_COMMON = 1
COMMON = re.compile(
    r"(?i:\b(?:the|and|are|was|were|which|when|from|with|not|should|will|have|has|they|then|into|for|und|der|die|les"
    r"|des|est|los|las|que|del|per|che)\b)"
)
"Words of sentences, of which such lists have hardly any."


def restores(match: re.Match[str]) -> Tier | None:
    """Words that make no sentence."""
    words = match["secret"]
    return None if len(COMMON.findall(words)) > MOST_COMMON else Tier.REDACT


LIST = rf"(?P<secret>{WORD}(?:{APART}{WORD}){{11,23}})(?![\w-])"
RECOVERY_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "recovery-words",
        "seed mnemonic recovery cuperaci",
        r"(?i:seed|mnemonic|recovery|cuperaci[^\s:]{1,4})"
        r"[^\n:=]{0,48}?(?:[:=]|(?<=\s)(?:are|is|sind|sont|son|es|sono|ist|est)(?=\s))[ \t\n]{0,4}"
        rf"[\"'`]?(?:1[.)][ \t]?)?{LIST}",
        restores,
        fold=True,
    ),
)
