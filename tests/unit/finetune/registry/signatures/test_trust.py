# SPDX-License-Identifier: Apache-2.0
import stat

import pytest

from node0.errors import ConfigError
from node0.finetune.registry.signatures.trust import town_signer, trusted_keys
from node0.town import Town


def test_nobody_is_trusted_before_the_town_has_a_key(town: Town) -> None:
    assert trusted_keys(town) == frozenset()
    assert not town.models.exists()


def test_a_town_trusts_its_own_key_which_it_makes_once(town: Town) -> None:
    first, second = town_signer(town), town_signer(town)

    assert first.public == second.public
    assert trusted_keys(town) == {first.public}
    assert stat.S_IMODE((town.models / "signing.key").stat().st_mode) == 0o600


def test_keys_of_other_towns_count_where_the_operator_chose_them(town: Town) -> None:
    own = town_signer(town)
    town.model_settings_file.write_text(f"trust: {{keys: ['{'ab' * 32}']}}\n")

    assert trusted_keys(town) == {own.public, "ab" * 32}


def test_a_misspelt_setting_is_refused_and_trusts_nobody(town: Town) -> None:
    town.models.mkdir()
    town.model_settings_file.write_text("trust: {key: []}\n")

    with pytest.raises(ConfigError, match=r"trust.*key"):
        trusted_keys(town)


def test_whoever_may_not_read_the_key_still_knows_whom_to_trust(town: Town) -> None:
    own = town_signer(town)
    (town.models / "signing.key").unlink()

    assert trusted_keys(town) == {own.public}


def test_a_public_half_of_another_key_is_refused_when_signing(town: Town) -> None:
    town_signer(town)
    (town.models / "signing.pub").write_text("ab" * 32)

    with pytest.raises(ConfigError, match=r"signing\.pub is not the public half of signing\.key"):
        town_signer(town)
