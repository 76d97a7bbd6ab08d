# SPDX-License-Identifier: Apache-2.0
"""Endpoints: what answers for a deployed model, and the probes that it must pass before it is put to work."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from node0.errors import EndpointUnfit, EndpointUnreachable

SECONDS = 20.0
LARGEST = 1 << 20
"Bytes of an answer that are read."

OWN_URL = "http://127.0.0.1:8642"
"Where this project's server answers unless told otherwise."

Ask = Callable[[str, Mapping[str, Any] | None], Any]
"Path below the endpoint's URL, and what to post; the JSON that comes back."


class Endpoint(BaseModel):
    """What answers. `own` is this project's server; the others are run by whoever deploys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["own", "vllm", "llama-server", "sglang", "openai"] = "own"
    "Decides which probes there are."

    url: str = Field(default=OWN_URL, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
    "Without the path of an API."

    model: str = ""
    "Name that it serves the version under; empty is the version's own."

    @field_validator("url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")


class Wanted(BaseModel):
    """What an endpoint must be able to do for a version."""

    model_config = ConfigDict(frozen=True)

    model: str
    context_window: int
    ids: Sequence[int] = (1, 2, 3)
    "Token ids of a short prompt."


def probe(endpoint: Endpoint, wanted: Wanted, *, seconds: float = SECONDS) -> None:
    """Ask whether it is alive, serves this model with this window, and takes token ids.

    Raises:
        EndpointUnreachable: nothing answers at its URL.
        EndpointUnfit: it answers, and one of these does not hold; the message says which.
    """
    _PROBES[endpoint.kind](_asking(endpoint, seconds), wanted)


def _probe_openai(ask: Ask, wanted: Wanted) -> None:
    served = {str(one.get("id")): one for one in _items(ask("/v1/models", None), "data")}
    _require_model(wanted.model, served)
    _require_window(_window(wanted.model, served), wanted)
    _require_ids(ask("/v1/completions", _completion(wanted)), ("usage", "prompt_tokens"), wanted)


def _probe_llama(ask: Ask, wanted: Wanted) -> None:
    ask("/health", None)
    served = {str(one.get("id")): one for one in _items(ask("/v1/models", None), "data")}
    _require_model(wanted.model, served)
    properties = ask("/props", None)
    window = _at(properties, ("default_generation_settings", "n_ctx"))
    _require_window(window, wanted)
    answer = ask("/completion", {"prompt": list(wanted.ids), "n_predict": 1, "cache_prompt": False})
    _require_ids(answer, ("tokens_evaluated",), wanted)


def _probe_sglang(ask: Ask, wanted: Wanted) -> None:
    ask("/health", None)
    served = {str(one.get("id")): one for one in _items(ask("/v1/models", None), "data")}
    # An adapter is asked for as `BASE:ADAPTER` and listed by its own name.
    base, _, adapter = wanted.model.partition(":")
    for name in (base, adapter) if adapter else (base,):
        _require_model(name, served)
    _require_window(served[base].get("max_model_len"), wanted)
    given = {"input_ids": list(wanted.ids), "sampling_params": {"max_new_tokens": 1}}
    chosen = {"lora_path": adapter} if adapter else {}
    _require_ids(ask("/generate", {**given, **chosen}), ("meta_info", "prompt_tokens"), wanted)


_PROBES: dict[str, Callable[[Ask, Wanted], None]] = {
    "own": _probe_openai,
    "vllm": _probe_openai,
    "openai": _probe_openai,
    "sglang": _probe_sglang,
    "llama-server": _probe_llama,
}


def _completion(wanted: Wanted) -> dict[str, Any]:
    return {"model": wanted.model, "prompt": list(wanted.ids), "max_tokens": 1, "temperature": 0}


def _require_model(model: str, served: Mapping[str, Any]) -> None:
    if model not in served:
        names = ", ".join(sorted(served)[:5]) or "nothing"
        raise EndpointUnfit(f"it serves {names}, not {model!r}; load it there, or name it with --model")


def _window(model: str, served: Mapping[str, Mapping[str, Any]]) -> object:
    """What a list of models says; vLLM says it of a base and not of the adapters over it."""
    told = served[model].get("max_model_len")
    return served.get(str(served[model].get("parent")), {}).get("max_model_len") if told is None else told


def _require_window(found: object, wanted: Wanted) -> None:
    if isinstance(found, int) and found < wanted.context_window:
        raise EndpointUnfit(
            f"its context window is {found} tokens, the profile promises {wanted.context_window}; "
            "start it with a larger one, or lower context_window in the profile"
        )


def _require_ids(answer: object, path: Sequence[str], wanted: Wanted) -> None:
    """A server that renders ids as text counts another number of prompt tokens."""
    counted = _at(answer, path)
    if counted != len(wanted.ids):
        raise EndpointUnfit(
            f"it counts {counted} tokens in a prompt of {len(wanted.ids)} ids; it must take them unchanged"
        )


def _items(answer: object, name: str) -> list[Mapping[str, Any]]:
    found = _at(answer, (name,))
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _at(answer: object, path: Sequence[str]) -> Any:
    for name in path:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return answer


def _asking(endpoint: Endpoint, seconds: float) -> Ask:
    # No proxy of the environment: an endpoint is named by its own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # the pattern of `Endpoint.url` takes http and https only
            endpoint.url + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with opener.open(request, timeout=seconds) as response:
                text = response.read(LARGEST)
        except urllib.error.HTTPError as error:
            said = " ".join(error.read(300).decode(errors="replace").split())
            raise EndpointUnfit(f"it answers {error.code} to {path} ({said}); see its log") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise EndpointUnreachable(
                f"nothing answers at {endpoint.url}{path} ({reason}); start the server first"
            ) from None
        try:
            return json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            return {}

    return ask
