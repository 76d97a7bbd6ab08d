# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town_scrubber import town_scrubber
from node0.town import Town


def a_town(root: Path, settings: str) -> Town:
    town = Town(root)
    town.models.mkdir()
    town.model_settings_file.write_text(settings)
    return town


def test_a_town_without_settings_takes_the_shipped_default(tmp_path: Path) -> None:
    assert town_scrubber(Town(tmp_path)).version == town_scrubber(Town(tmp_path)).version
    assert town_scrubber(Town(tmp_path), stand_ins=False).version == CorpusScrubber().version
    assert town_scrubber(None).version == CorpusScrubber().version


def test_two_towns_give_surrogates_that_have_nothing_in_common(tmp_path: Path) -> None:
    towns = [Town(tmp_path / name) for name in ("one", "other")]
    token = "aB3dE5gH7jK9mN1pQ3rS5tU7"

    first, second = (town_scrubber(town).scrub(f"use {token}")[0] for town in towns)
    again = town_scrubber(towns[0]).scrub(f"use {token}")[0]

    assert token not in first + second
    assert first == again
    assert first != second
    assert town_scrubber(towns[1]).scrub(first)[0] != first


def test_a_town_may_want_placeholders_for_all(tmp_path: Path) -> None:
    scrubber = town_scrubber(a_town(tmp_path, "scrub: {stand_ins: placeholders}"))
    text = "commit 3f786850e387550fdab836ed7e6dc881de23001b API_TOKEN=aB3dE5gH7jK9mN1pQ3rS5tU7"

    assert scrubber.scrub(text)[0] == text.replace("aB3dE5gH7jK9mN1pQ3rS5tU7", "[REDACTED:assigned-secret]")
    assert not (tmp_path / ".models" / "scrub.key").exists()


def test_a_town_adds_words_patterns_and_a_gitleaks_file(tmp_path: Path) -> None:
    town = a_town(
        tmp_path,
        "corpus_sharing: {enabled: false}\n"
        "scrub:\n  deny: [Harbor Yard]\n  gitleaks: ours.toml\n  voters: []\n"
        "  rules:\n    - {kind: berth, pattern: 'berth \\d{4}', tier: quarantine}\n",
    )
    (town.models / "ours.toml").write_text("[[rules]]\nid = 'hull'\nregex = 'hull-[0-9]{6}'\n")

    scrubber = town_scrubber(town, ["acme.io"])

    assert scrubber.scrub("harbor yard, acme.io, hull-123987, berth 4711") == (
        "[REDACTED:deny-list], [REDACTED:deny-list], [REDACTED:hull], berth 4711",
        ["redact: deny-list", "redact: deny-list", "redact: hull", "quarantine: berth"],
    )


def test_a_verdict_of_a_person_settles_what_is_uncertain(tmp_path: Path) -> None:
    text = 'password: "dolphinswim"'

    kept = town_scrubber(Town(tmp_path), verdict=lambda value: Tier.KEEP)
    gone = town_scrubber(Town(tmp_path), verdict=lambda value: Tier.REDACT)

    assert kept.scrub(text) == (text, [])
    assert gone.scrub(text)[0] == 'password: "[REDACTED:assigned-secret]"'


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("scrub: {voter: []}", "voters"),
        ("scrub: [1]", "no settings under scrub"),
        ("scrub: {deny: 3}", "deny"),
        ("scrub: {voters: [oracle]}", "no voter 'oracle'"),
        ("scrub: {rules: [{kind: x, pattern: '('}]}", "'x'"),
        (": :", "cannot parse"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, settings: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        town_scrubber(a_town(tmp_path, settings))

    assert "\n" not in str(refused.value)


def test_a_gitleaks_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.toml"):
        town_scrubber(a_town(tmp_path, "scrub: {gitleaks: none.toml}"))
