# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node0.errors import ConfigError, NotFound
from node0.security.signature import key_message
from node0.swarm.run.address import check_peer_id
from node0.swarm.run.identity import Identity, make_identity, read_identity


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Identity]:
    """A key file, and what making it returned."""
    path = tmp_path_factory.mktemp("run") / "identities" / "head-0.key"
    return path, make_identity(path)


def test_a_key_reads_back_as_the_peer_it_was_made_for(made: tuple[Path, Identity]) -> None:
    path, identity = made

    assert read_identity(path).peer_id == identity.peer_id == check_peer_id(identity.peer_id)


def test_only_the_owner_may_read_a_new_key_and_nothing_lies_beside_it(made: tuple[Path, Identity]) -> None:
    path, _ = made

    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_is_never_overwritten(made: tuple[Path, Identity]) -> None:
    path, _ = made
    before = path.read_bytes()

    with pytest.raises(ConfigError, match=r"head-0\.key exists; a key is never overwritten"):
        make_identity(path)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_no_key_is_shown(made: tuple[Path, Identity]) -> None:
    assert "rsa" not in repr(made[1]).lower()


def test_a_missing_key_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no key file .*head-0\.key; node0 swarm init makes it"):
        read_identity(tmp_path / "head-0.key")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601])
def test_a_key_that_others_may_open_is_refused_with_the_command_that_closes_it(
    made: tuple[Path, Identity], tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "open.key"
    path.write_bytes(made[0].read_bytes())
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.; run: chmod 600 {path}"):
        read_identity(path)


def test_what_is_no_rsa_key_is_one_clear_error(made: tuple[Path, Identity], tmp_path: Path) -> None:
    whole = made[0].read_bytes()
    foreign = Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    broken = [b"", b"\x08", b"\x08\x00\x12", b"\x08\x00\x12\xff\xff", b"-----BEGIN RSA PRIVATE KEY-----"]
    broken += [whole[:-1], whole + b"x", b"\x08\x01" + whole[2:], whole[:40] + bytes(len(whole) - 40)]

    for number, data in enumerate([*broken, key_message(foreign)]):
        path = tmp_path / f"{number}.key"
        path.write_bytes(data)
        path.chmod(0o600)

        with pytest.raises(ConfigError, match="holds no RSA key of a peer"):
            read_identity(path)


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read key file .*Is a directory"):
        read_identity(tmp_path)
