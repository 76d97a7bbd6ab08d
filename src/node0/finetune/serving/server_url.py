# SPDX-License-Identifier: Apache-2.0
"""The address of another server, as a person gave it."""

import httpx

from node0.errors import ConfigError


def server_url(text: str) -> str:
    """The address without a slash at its end.

    Raises:
        ConfigError: it can be no address, as without http:// before it or with a port that is no number.
    """
    try:
        # The resolver takes names by this codec, which refuses more than httpx does.
        url = httpx.URL(text)
        url.raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"{text!r} is no URL ({error}); give one such as http://127.0.0.1:8000") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(
            f"{text!r} is no URL (http:// and a host are wanted); give one such as http://127.0.0.1:8000"
        )
    return text.rstrip("/")
