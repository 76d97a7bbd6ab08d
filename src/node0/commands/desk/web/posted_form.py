# SPDX-License-Identifier: Apache-2.0
"""Read the fields of a posted form, bounded."""

from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from node0.errors import ConfigError

MAX_BYTES = 64 << 10
MAX_FIELDS = 50
KIND = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields by name; of one that comes again, the last.

    Raises:
        ConfigError: it is no form, or larger than any of ours.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != KIND:
        raise ConfigError(f"a form is sent as {KIND}; use the page's own")
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ConfigError(f"the form has more than {MAX_BYTES} bytes; write less")
    except ClientDisconnect:
        raise ConfigError("the form ended in its middle; send it again") from None
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise ConfigError(f"the form cannot be read ({error}); use the page's own") from None
    return dict(fields)
