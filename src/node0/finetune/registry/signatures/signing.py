# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signatures (RFC 8032) by a key of the town, made at first use."""

import json
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from node0.errors import ConfigError

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs."""

    key: Ed25519PrivateKey

    @classmethod
    def of_file(cls, path: Path) -> "Signer":
        """The key in a file of 64 hexadecimal digits; made, readable by its owner alone, where there is none.

        Raises:
            ConfigError: the file holds no key, others may read it, or it cannot be made.
        """
        if not path.exists():
            _make_key(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"others may read the signing key {path}: chmod 600 it, or make a new one")
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii"))))
        except ValueError:
            raise ConfigError(f"{path} holds no signing key; restore it, or move it away") from None

    @property
    def public(self) -> str:
        """The public key, in hex."""
        return self.key.public_key().public_bytes_raw().hex()

    def sign(self, facts: Mapping[str, Any]) -> str:
        """The signature of these facts, in hex."""
        return self.key.sign(canonical(facts)).hex()


def is_signed(facts: Mapping[str, Any], *, signer: str, signature: str, trusted: Collection[str]) -> bool:
    """Whether the owner of a trusted public key signed exactly these facts.

    A key that nobody chose proves nothing: for some, any signature verifies.
    """
    if signer not in trusted:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        key.verify(bytes.fromhex(signature), canonical(facts))
    except (ValueError, InvalidSignature):
        return False
    return True


def canonical(facts: Mapping[str, Any]) -> bytes:
    """One text for equal facts: JSON with sorted keys and no white space (after RFC 8785).

    Whole numbers are written as floats: databases keep 1.0 as 1.
    """
    return json.dumps(_plain(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _make_key(path: Path) -> None:
    """Put a new key there, unless another process was faster."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(os.urandom(KEY_BYTES).hex())
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(name)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the signing key {path}: {error.strerror}; see its directory"
        ) from None
