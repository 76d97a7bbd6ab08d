# SPDX-License-Identifier: Apache-2.0
"""A DHT authorizer by a shared secret of the run, without a service."""

import hmac
import os
import stat
import time
from pathlib import Path

from hivemind.proto.auth_pb2 import AccessToken
from hivemind.utils.auth import TokenAuthorizerBase

from node0.errors import ConfigError, NotFound

SHORTEST = 32
"Bytes of a secret."

LIVES = 3600
"Seconds that a token is good for."

_LARGEST_FILE = 4096


class RunSecretAuthorizer(TokenAuthorizerBase):  # type: ignore[misc]  # hivemind has no types
    """Each peer vouches for its own key with the secret; every request and answer is signed by that key.

    Made from run.json on every machine of the run, by stages and trainer alike.
    """

    def __init__(self, secret_file: str) -> None:
        """Read the secret: any `SHORTEST` bytes or more, in a file that only its owner can read.

        Raises:
            NotFound: there is no such file.
            ConfigError: it is too short, or open to others.
        """
        super().__init__()
        self._secret = _read(Path(secret_file).expanduser())

    async def get_token(self) -> AccessToken:
        """A token for the key of this process."""
        token = AccessToken(
            public_key=self.local_public_key.to_bytes(), expiration_time=str(int(time.time()) + LIVES)
        )
        token.signature = self._vouched(token)
        return token

    def is_token_valid(self, access_token: AccessToken) -> bool:
        """Whether somebody with the secret made it, not too long ago."""
        is_ours = hmac.compare_digest(access_token.signature, self._vouched(access_token))
        return is_ours and time.time() < int(access_token.expiration_time) <= time.time() + 2 * LIVES

    def does_token_need_refreshing(self, access_token: AccessToken) -> bool:
        """Whether half its time is over."""
        return int(access_token.expiration_time) - time.time() < LIVES / 2

    def _vouched(self, token: AccessToken) -> bytes:
        said = token.expiration_time.encode("utf-8") + b"\0" + token.public_key
        return hmac.digest(self._secret, b"node0.run-secret/1\0" + said, "sha256")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(_LARGEST_FILE).strip()
    except FileNotFoundError:
        raise NotFound(f"no secret file {path}; copy it from another machine of the run") from None
    except OSError as error:
        raise ConfigError(f"cannot read secret file {path}: {error.strerror}; check its owner") from None
    if mode & 0o077:
        shown = f"{stat.S_IMODE(mode):04o}"
        raise ConfigError(f"secret file {path} is open to others (mode {shown}); run: chmod 600 {path}")
    if len(secret) < SHORTEST:
        raise ConfigError(f"secret file {path} has {len(secret)} bytes; give it {SHORTEST} or more")
    return secret
