# SPDX-License-Identifier: Apache-2.0
"""Voters: other scanners' opinions on values that the scrub rules are not sure about.

A voter sees one line that holds a candidate and says whether it takes the candidate for a secret. Its
yes makes the candidate uncertain, so that a person looks at it; a voter never decides what is replaced.
Nothing here asks a network.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from node0.errors import ConfigError, ScrubberUnavailable
from node0.finetune.corpus.scrub.finding import Finding, Tier

DEFAULT_VOTERS = ("detect-secrets",)
SHARED = 4
"Characters of a voter's secret that must be the candidate's."

VOTES = 64
"Candidates that voters are asked about in a short text; in a long one more, so that time stays linear."

VOTES_EACH = 4096
"Characters of a text for one more."

LINE = 200
"Characters on either side that a voter sees."


class Voter(Protocol):
    """Somebody who knows secrets."""

    @property
    def name(self) -> str:
        """Which one, with its version."""

    def says_secret(self, line: str, value: str) -> bool:
        """Whether `value`, standing in `line`, looks like a secret to it."""


class DetectSecretsVoter:
    """The detectors of detect-secrets, without its verification requests."""

    def __init__(self) -> None:
        # Loaded only for a town that asks it.
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
        from detect_secrets.filters import heuristic

        self.name = f"detect-secrets {version('detect-secrets')}"
        plugins: Any = get_mapping_from_secret_type_to_class()
        self._plugins = [plugin() for plugin in plugins.values()]
        self._harmless = (
            heuristic.is_sequential_string,
            heuristic.is_potential_uuid,
            heuristic.is_templated_secret,
            heuristic.is_prefixed_with_dollar_sign,
            heuristic.is_not_alphanumeric_string,
        )

    def says_secret(self, line: str, value: str) -> bool:
        """Whether a detector names the value and no heuristic takes it for harmless."""
        if any(harmless(value) for harmless in self._harmless):
            return False
        return any(
            _same(secret.secret_value or "", value)
            for plugin in self._plugins
            for secret in plugin.analyze_line("line", line, 0)
        )


class CredSweeperVoter:
    """CredSweeper with its bundled model (extra `scan`)."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            # An extra, and slow to load.
            from credsweeper.app import CredSweeper
            from credsweeper.file_handler.string_content_provider import StringContentProvider

        self.name = f"credsweeper {version('credsweeper')}"
        self._sweeper = CredSweeper(use_filters=True, ml_threshold="medium")
        self._content = StringContentProvider

    def says_secret(self, line: str, value: str) -> bool:
        """Whether a rule and the model name the value."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            candidates = self._sweeper.file_scan(self._content([line]))
        self._sweeper.credential_manager.set_credentials(candidates)
        self._sweeper.post_processing(None)
        found = self._sweeper.credential_manager.get_credentials()
        return any(
            _same(data.value or "", value) for credential in found for data in credential.line_data_list
        )


VOTERS: dict[str, Callable[[], Voter]] = {
    "detect-secrets": DetectSecretsVoter,
    "credsweeper": CredSweeperVoter,
}

REPAIR = {
    "detect-secrets": "repair the installation",
    "credsweeper": "install gastown-finetune[scan]",
}


def confirmed(candidates: Sequence[Finding], text: str, voters: Sequence[Voter]) -> Iterator[Finding]:
    """The candidates that a voter takes for secrets, as uncertain; beyond the budget every one is."""
    budget = VOTES + len(text) // VOTES_EACH
    for number, candidate in enumerate(sorted(set(candidates))):
        if number >= budget or _any_vote(candidate, text, voters):
            yield candidate._replace(tier=Tier.QUARANTINE)


def make_voters(names: Sequence[str] = DEFAULT_VOTERS) -> tuple[Voter, ...]:
    """The voters of these names.

    Raises:
        ConfigError: there is no voter of a name.
        ScrubberUnavailable: one cannot be loaded.
    """
    return tuple(_make(name) for name in names)


def _make(name: str) -> Voter:
    if name not in VOTERS:
        raise ConfigError(f"no voter {name!r}: name one of {', '.join(VOTERS)}")
    try:
        return VOTERS[name]()
    except Exception as error:  # a voter's own code may fail in any way, and then nothing is stored
        raise ScrubberUnavailable(
            f"the voter {name} cannot run ({error}): {REPAIR[name]}, or take it out of "
            "the town's scrub settings; nothing was stored"
        ) from error


def _any_vote(candidate: Finding, text: str, voters: Sequence[Voter]) -> bool:
    first, last = max(0, candidate.start - LINE), candidate.end + LINE
    start = max(first, text.rfind("\n", first, candidate.start) + 1)
    stop = text.find("\n", candidate.end, last)
    line = text[start : stop if stop >= 0 else last]
    value = text[candidate.start : candidate.end]
    return any(voter.says_secret(line, value) for voter in voters)


def _same(found: str, value: str) -> bool:
    return len(found) >= SHARED and (found in value or value in found)
