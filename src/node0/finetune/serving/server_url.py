# SPDX-License-Identifier: Apache-2.0
"""The address of another server, as a person gave it."""

import httpx

from node0.errors import ConfigError


def server_url(text: str) -> str:
    """The address without a slash at its end.

    Raises:
        ConfigError: it can be no address, as with a port that is no number.
    """
    try:
        # The resolver takes names by this codec, which refuses more than httpx does.
        httpx.URL(text).raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"{text!r} is no URL ({error}); give one such as http://127.0.0.1:8000") from None
    return text.rstrip("/")
