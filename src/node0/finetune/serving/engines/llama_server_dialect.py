# SPDX-License-Identifier: Apache-2.0
"""llama-server's `/completion` with an array of token ids, and `return_tokens`."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.token_engine import GenerationRequest


class LlamaServerDialect:
    """llama.cpp's server. It serves the one model that it was started with."""

    path = "/completion"
    health = "/health"

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """Ids in, ids out; its own samplers that the request does not name are off."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "prompt": list(request.prompt),
            "n_predict": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "cache_prompt": True,
            "stream": True,
            "return_tokens": True,
        }
        return body if sampling.seed is None else {**body, "seed": sampling.seed % (1 << 32)}

    def ids(self, event: Mapping[str, Any], request: GenerationRequest) -> Sequence[int]:
        """The new ids; the last event also counts the prompt's."""
        if "error" in event:
            error = event["error"]
            said = error.get("message", "") if isinstance(error, dict) else error
            raise EngineUnavailable(f"the engine reports an error ({str(said)[:200]}); see its log")
        if event.get("stop"):
            read = event.get("tokens_evaluated", len(request.prompt))
            if read != len(request.prompt):
                raise EngineUnavailable(
                    f"the engine read {read} ids of the {len(request.prompt)} it was sent; "
                    "it must take them unchanged"
                )
            return ()
        ids = event.get("tokens")
        if not ids and event.get("content"):
            raise EngineUnavailable("the engine sends no tokens; use a newer llama-server")
        return list(ids or ())
