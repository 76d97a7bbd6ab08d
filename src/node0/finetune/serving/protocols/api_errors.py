# SPDX-License-Identifier: Apache-2.0
"""Errors as Anthropic's and OpenAI's clients expect them: status, body, and what may be said."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from node0.errors import ConfigError, EngineBusy, EngineUnavailable, NotFound

_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "not_found", 413: "request_too_large", 429: "rate_limit_exceeded"}
_FORESEEN: dict[type[Exception], tuple[int, str | None, int | None]] = {
    NotFound: (404, "model", None),
    ConfigError: (400, None, None),
    EngineBusy: (503, None, 1),
    EngineUnavailable: (502, None, None),
}
"Status, parameter at fault, and seconds after which to try again."


class RequestRefused(ConfigError):
    """A request that cannot be answered as it is."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        retry_after: int | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.retry_after = retry_after
        self.closes = closes


@dataclass(frozen=True, slots=True)
class ApiError:
    """What a client is told."""

    status: int
    message: str
    param: str | None = None
    retry_after: int | None = None
    "Seconds."

    closes: bool = False
    "The connection is closed: the rest of the request is not read."

    def anthropic(self) -> tuple[int, dict[str, Any]]:
        """Status and body of https://docs.anthropic.com/en/api/errors."""
        status = 529 if self.status == 503 else self.status
        kind = _ANTHROPIC.get(status, "api_error")
        return status, {"type": "error", "error": {"type": kind, "message": self.message}}

    def openai(self) -> tuple[int, dict[str, Any]]:
        """Status and body of https://platform.openai.com/docs/guides/error-codes."""
        kind = _OPENAI.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self._code()}
        return self.status, {"error": error}

    def _code(self) -> str | None:
        if self.status == 404 and self.param == "model":
            return "model_not_found"
        return _CODES.get(self.status)


def api_error(error: Exception) -> ApiError:
    """What a client is told of an error; nothing of one that nobody foresaw."""
    if isinstance(error, RequestRefused):
        return ApiError(error.status, str(error), error.param, error.retry_after, error.closes)
    if isinstance(error, ValidationError):
        return _invalid(error)
    for kind, (status, param, retry_after) in _FORESEEN.items():
        if isinstance(error, kind):
            return ApiError(status, str(error), param, retry_after)
    return ApiError(500, f"the server failed ({type(error).__name__}); see its log")


def _invalid(error: ValidationError) -> ApiError:
    """The first fault, with its place; without the value, which may be a prompt."""
    found = error.errors(include_input=False, include_url=False)
    first = _place(found[0]["loc"])
    same = [fault for fault in found if _place(fault["loc"])[: len(first)] == first]
    # Of a union every branch complains; the one that was meant got furthest.
    told = max(same, key=lambda fault: (len(fault["loc"]), not fault["type"].endswith("_type")))
    place = ".".join(_place(told["loc"]))
    return ApiError(400, f"{place or 'the body'}: {told['msg']}", place or None)


def _place(path: tuple[int | str, ...]) -> list[str]:
    """Names and numbers of fields; a union's branches stand in the path as if they were fields."""
    return [str(part) for part in path if part != "str" and not str(part).startswith(("list[", "dict["))]
