# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from hivemind.p2p import P2P, PeerID
from hivemind.proto import crypto_pb2

from node0.errors import BadSignature
from node0.security.signature import peer_id_of, seal, unseal


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def test_a_sealed_payload_comes_with_its_peer(key: RSAPrivateKey) -> None:
    for payload in (b"", b"\0" * 3, b"x" * 10_000):
        opened = unseal(seal(payload, key=key, purpose="shard"), purpose="shard")

        assert opened == (peer_id_of(key.public_key()), payload)


def test_the_peer_id_is_the_one_that_hivemind_finds(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    P2P.generate_identity(str(path))
    data = path.read_bytes()
    key = load_der_private_key(crypto_pb2.PrivateKey.FromString(data).data, password=None)

    assert isinstance(key, RSAPrivateKey)
    assert peer_id_of(key.public_key()) == PeerID.from_identity(data).to_base58()


def test_a_record_for_another_purpose_is_refused(key: RSAPrivateKey) -> None:
    sealed = seal(b"payload", key=key, purpose="shard")

    with pytest.raises(BadSignature, match="not signed for 'stage'"):
        unseal(sealed, purpose="stage")


def test_every_changed_byte_is_noticed(key: RSAPrivateKey) -> None:
    sealed = seal(b"payload", key=key, purpose="shard")
    own = peer_id_of(key.public_key())

    for place in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(BadSignature):
            # A changed key may still be a key: then it is another peer's.
            assert unseal(bytes(changed), purpose="shard").peer_id == own


@pytest.mark.parametrize("cut", [lambda s: s[:3], lambda s: s[:100], lambda s: b"", lambda s: b"\xff" * 900])
def test_other_bytes_are_refused(key: RSAPrivateKey, cut: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadSignature, match="ask that peer again"):
        unseal(cut(seal(b"payload", key=key, purpose="shard")), purpose="shard")


def test_another_kind_of_key_is_refused() -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sealed = len(der).to_bytes(2, "big") + (64).to_bytes(2, "big") + der + bytes(64) + b"payload"

    with pytest.raises(BadSignature, match="no RSA key"):
        unseal(sealed, purpose="shard")
