# SPDX-License-Identifier: Apache-2.0
"""Sign bytes with a peer's identity key for one purpose, and verify who signed them.

    sealed      length of the key, length of the signature (2 bytes each), key, signature, payload
    key         RSA SubjectPublicKeyInfo in DER, of which the peer id is a hash
    signature   RSASSA-PSS with SHA-256 over purpose, a zero byte and the payload

Freshness is the payload's matter: a sealed record stays valid until its reader says otherwise.
"""

import struct
from typing import NamedTuple

import base58
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from node0.errors import BadSignature

LARGEST_KEY_BITS = 4096
_LENGTHS = struct.Struct("!HH")
_SHA256_MULTIHASH = b"\x12\x20"
_HASH = hashes.SHA256()
_PADDING = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=_HASH.digest_size)


class Opened(NamedTuple):
    """What a sealed record holds."""

    peer_id: str
    "Of the peer whose key signed it."

    payload: bytes


def seal(payload: bytes, *, key: RSAPrivateKey, purpose: str) -> bytes:
    """Sign `payload`. A record sealed for one purpose cannot be opened for another."""
    public = _der(key.public_key())
    signature = key.sign(_signed(payload, purpose), _PADDING, _HASH)
    return _LENGTHS.pack(len(public), len(signature)) + public + signature + payload


def unseal(sealed: bytes, *, purpose: str) -> Opened:
    """Check the signature; the payload and its owner.

    Raises:
        BadSignature: it is no sealed record, was changed, or was made for another purpose.
    """
    public, signature, payload = _parts(sealed)
    key = _public_key(public)
    try:
        key.verify(signature, _signed(payload, purpose), _PADDING, _HASH)
    except InvalidSignature:
        raise BadSignature(
            f"a record of {peer_id_of(key)} is not signed for {purpose!r}; drop it and ask that peer again"
        ) from None
    return Opened(peer_id_of(key), payload)


def peer_id_of(key: RSAPublicKey) -> str:
    """The id of the peer that has this key: base58 of the sha256 multihash of libp2p's PublicKey message."""
    digest = hashes.Hash(_HASH)
    digest.update(key_message(_der(key)))
    return base58.b58encode(_SHA256_MULTIHASH + digest.finalize()).decode()


def key_message(der: bytes) -> bytes:
    """libp2p's protobuf message of an RSA key, public or private: its type, then its bytes."""
    return b"\x08\x00\x12" + _varint(len(der)) + der


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    if len(sealed) >= _LENGTHS.size:
        key_length, signature_length = _LENGTHS.unpack_from(sealed)
        end_of_key = _LENGTHS.size + key_length
        end = end_of_key + signature_length
        if len(sealed) >= end:
            return sealed[_LENGTHS.size : end_of_key], sealed[end_of_key:end], sealed[end:]
    raise BadSignature(f"{len(sealed)} bytes are no sealed record; drop them and ask that peer again")


def _public_key(der: bytes) -> RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    # Checking a signature of a huge key would take seconds.
    if not isinstance(key, RSAPublicKey) or key.key_size > LARGEST_KEY_BITS:
        raise BadSignature("a record has no RSA key of a peer; drop it and ask that peer again")
    return key


def _signed(payload: bytes, purpose: str) -> bytes:
    return purpose.encode() + b"\0" + payload


def _der(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])
