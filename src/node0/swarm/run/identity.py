# SPDX-License-Identifier: Apache-2.0
"""Identity key files in hivemind's format, and the peer id that follows from one.

The file is libp2p's PrivateKey message around a PKCS#1 key in DER. hivemind reads and writes it too, but
importing it takes seconds and starts threads.
"""

import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from node0.errors import ConfigError, NotFound
from node0.security.signature import key_message, peer_id_of

KEY_BITS = 2048
_LARGEST_FILE = 1 << 16


@dataclass(frozen=True, slots=True)
class Identity:
    """A peer's key and the id that follows from it."""

    peer_id: str
    private_key: RSAPrivateKey = field(repr=False)


def make_identity(path: Path) -> Identity:
    """Write a new key that only its owner can read.

    Raises:
        ConfigError: there is a file already; it is left as it is.
    """
    key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp made it for its owner alone
            file.write(key_message(der))
        # A link, unlike a rename, never replaces what is there.
        path.hardlink_to(beside)
    except FileExistsError:
        raise ConfigError(
            f"{path} exists; a key is never overwritten: move it away to make another"
        ) from None
    finally:
        Path(beside).unlink()
    return Identity(peer_id_of(key.public_key()), key)


def read_identity(path: Path) -> Identity:
    """The identity in a key file.

    Raises:
        NotFound: there is no such file.
        ConfigError: others may read or write it, or it holds no RSA key.
    """
    data = _read_private(path)
    try:
        key = load_der_private_key(_der_of(data), password=None)
    except (ValueError, TypeError, IndexError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"{path} holds no RSA key of a peer; restore it, or make the swarm again")
    return Identity(peer_id_of(key.public_key()), key)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                shown = f"{stat.S_IMODE(mode):04o}"
                raise ConfigError(f"key file {path} is open to others (mode {shown}); run: chmod 600 {path}")
            return file.read(_LARGEST_FILE)
    except FileNotFoundError:
        raise NotFound(f"no key file {path}; node0 swarm init makes it, or copy it from there") from None
    except OSError as error:
        raise ConfigError(f"cannot read key file {path}: {error.strerror}; check its owner") from None


def _der_of(message: bytes) -> bytes:
    """The reverse of `key_message`; ValueError or IndexError for anything else."""
    end_of_length = 3
    while message[end_of_length] & 0x80:
        end_of_length += 1
    der = message[end_of_length + 1 :]
    if key_message(der) != message:
        raise ValueError("not a whole RSA key")
    return der
