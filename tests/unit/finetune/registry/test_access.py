# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.registry.access import AccessGrantManager

MANAGER = AccessGrantManager()


@pytest.mark.parametrize(
    ("grant", "granted"),
    [
        ({}, ["none", "standard"]),
        ({"model_access": {"tier": "none"}}, ["none"]),
        ({"model_access": {"tier": "extended"}}, ["none", "standard", "extended"]),
        ({"model_access": {"tier": "standard", "extended_quota": True}}, ["none", "standard", "extended"]),
    ],
)
def test_a_tier_holds_those_below_it(grant: dict[str, object], granted: list[str]) -> None:
    assert [tier for tier in ("none", "standard", "extended") if MANAGER.check_access(grant, tier)] == granted


def test_a_contribution_brings_the_larger_quota_and_leaves_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    file.write_text('{"kept": [1, "é"], "model_access": {"tier": "standard"}}')

    MANAGER.grant_extended_access(file)

    found = json.loads(file.read_text())
    assert found["kept"] == [1, "é"]
    assert found["model_access"] == {"tier": "standard", "corpus_contributor": True, "extended_quota": True}
    assert MANAGER.is_extended_quota(found)


def test_a_grant_needs_no_file_before_it(tmp_path: Path) -> None:
    MANAGER.grant_extended_access(tmp_path / "access.json")

    assert MANAGER.is_extended_quota(json.loads((tmp_path / "access.json").read_text()))


def test_an_unknown_tier_and_a_wrong_grant_are_refused() -> None:
    with pytest.raises(ConfigError, match="no access tier 'gold'; one of: none, standard, extended"):
        MANAGER.check_access({}, "gold")
    with pytest.raises(ConfigError, match=r"model_access\.tier"):
        MANAGER.check_access({"model_access": {"tier": "gold"}}, "standard")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_json_object_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "access.json"
    file.write_text(text)

    with pytest.raises(ConfigError, match="repair it"):
        MANAGER.grant_extended_access(file)

    assert file.read_text() == text


def test_a_rigs_tier_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    found = [MANAGER.tier_of(file)]
    for text in ('{"model_access": {"tier": "none"}}', '{"model_access": {"extended_quota": true}}'):
        file.write_text(text)
        found.append(MANAGER.tier_of(file))

    assert found == ["standard", "none", "extended"]
