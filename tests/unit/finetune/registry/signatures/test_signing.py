# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.registry.signatures.signing import Signer, canonical, is_signed

FACTS = {"name": "deacon", "version": 3, "files": [{"path": "a", "sha256": "00"}], "ü": 0.5}


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.of_file(tmp_path / "keys" / "signing.key")


def test_what_was_signed_is_recognised(signer: Signer) -> None:
    assert is_signed(FACTS, signer=signer.public, signature=signer.sign(FACTS), trusted=[signer.public])


@pytest.mark.parametrize("change", [{"version": 4}, {"name": "deacoN"}, {"files": []}, {"more": 1}])
def test_any_other_fact_is_not(signer: Signer, change: dict[str, object]) -> None:
    assert not is_signed(
        {**FACTS, **change}, signer=signer.public, signature=signer.sign(FACTS), trusted=[signer.public]
    )


def test_another_key_is_not(signer: Signer, tmp_path: Path) -> None:
    other = Signer.of_file(tmp_path / "other.key")

    made = other.sign(FACTS)

    assert not is_signed(FACTS, signer=other.public, signature=made, trusted=[signer.public])
    assert not is_signed(FACTS, signer=signer.public, signature=made, trusted=[signer.public])


@pytest.mark.parametrize(("key", "signature"), [("", ""), ("zz", "zz"), ("00" * 32, "00"), ("00", "é")])
def test_what_is_no_signature_is_not(key: str, signature: str) -> None:
    assert not is_signed(FACTS, signer=key, signature=signature, trusted=[key])


def test_the_order_of_facts_does_not_count() -> None:
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_whole_number_is_the_same_as_a_float_and_not_as_a_truth() -> None:
    assert canonical({"a": 1, "b": [2.0]}) == canonical({"a": 1.0, "b": [2]})
    assert canonical({"a": 1}) != canonical({"a": True})


def test_the_key_is_private_and_stays(signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.key"

    again = Signer.of_file(path)

    assert again.public == signer.public
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["signing.key"]


def test_many_that_need_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Signer.of_file(tmp_path / "signing.key").public, range(16)))

    assert len(set(found)) == 1


def test_a_key_that_others_may_read_is_refused(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "keys" / "signing.key").chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        Signer.of_file(tmp_path / "keys" / "signing.key")


@pytest.mark.parametrize("text", ["", "00", "not hex", "zz" * 32])
def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "signing.key"
    path.touch(mode=0o600)
    path.write_text(text)

    with pytest.raises(ConfigError, match="holds no signing key"):
        Signer.of_file(path)
    assert path.read_text() == text
