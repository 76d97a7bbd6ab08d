# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.corpus.scrub.scrub_settings import ScrubSettings, read_scrub_settings
from node0.finetune.corpus.scrub.voters import DEFAULT_VOTERS
from node0.town import Town


def a_town(root: Path, settings: str) -> Town:
    town = Town(root)
    town.models.mkdir()
    town.model_settings_file.write_text(settings)
    return town


def test_a_town_without_the_block_has_the_defaults(tmp_path: Path) -> None:
    settings = read_scrub_settings(a_town(tmp_path, "corpus_sharing: {enabled: true}\n"))

    assert settings == ScrubSettings()
    assert settings.voters == list(DEFAULT_VOTERS)


def test_the_block_is_read_with_its_rules(tmp_path: Path) -> None:
    block = "scrub:\n  deny: [acme.io]\n  rules: [{kind: hull, pattern: 'h-\\\\d+', keywords: [h-]}]\n"

    settings = read_scrub_settings(a_town(tmp_path, block))

    assert settings.deny == ["acme.io"]
    (rule,) = settings.rules
    assert (rule.kind, rule.tier, rule.keywords) == ("hull", "redact", ["h-"])


@pytest.mark.parametrize(
    "rule", ["{kind: Upper, pattern: x}", "{kind: hull}", "{kind: hull, pattern: x, tier: keep}"]
)
def test_a_rule_that_is_none_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(ConfigError, match="rules"):
        read_scrub_settings(a_town(tmp_path, f"scrub: {{rules: [{rule}]}}"))
