# SPDX-License-Identifier: Apache-2.0
"""vLLM's `/v1/completions` with a list of token ids, and `return_token_ids`."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.token_engine import GenerationRequest


class VllmDialect:
    """vLLM, and what speaks as it does. Adapters are model names there."""

    path = "/v1/completions"
    health = "/health"

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """Ids in, ids out, and nothing of the engine's own rendering."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": request.model,
            "prompt": list(request.prompt),
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_token_ids": list(request.stop_ids),
            "stream": True,
            "return_token_ids": True,
            # A model's generation_config.json would otherwise change what is not named.
            "repetition_penalty": 1.0,
            "min_p": 0.0,
            "top_k": sampling.top_k or -1,
        }
        return body if sampling.seed is None else {**body, "seed": sampling.seed}

    def ids(self, event: Mapping[str, Any], request: GenerationRequest) -> Sequence[int]:
        """The new ids; the first event also says which prompt was read."""
        if "error" in event:
            error = event["error"]
            said = error.get("message", "") if isinstance(error, dict) else error
            raise EngineUnavailable(f"the engine reports an error ({str(said)[:200]}); see its log")
        choices = event.get("choices")
        if not choices:
            return ()
        read = choices[0].get("prompt_token_ids")
        if read is not None and tuple(read) != request.prompt:
            raise EngineUnavailable("the engine read other ids than it was sent; it must take them unchanged")
        ids = choices[0].get("token_ids")
        if ids is None and choices[0].get("text"):
            raise EngineUnavailable("the engine sends no token_ids; use vLLM 0.10.2 or newer")
        return list(ids or ())
