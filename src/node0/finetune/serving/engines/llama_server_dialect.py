# SPDX-License-Identifier: Apache-2.0
"""llama-server's `/completion` with an array of token ids, and `return_tokens`."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest


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
        if request.logprobs is not None:
            # It tells nothing for 0, and the id's own comes with any other number.
            body["n_probs"] = max(1, request.logprobs)
        return body if sampling.seed is None else {**body, "seed": sampling.seed % (1 << 32)}

    def tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The new ids; the last event also counts the prompt's."""
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
        if request.logprobs is None:
            return [GeneratedToken(token_id) for token_id in ids or ()]
        return _with_logprobs(ids or (), event.get("completion_probabilities") or [], request.logprobs)


def _with_logprobs(ids: Sequence[int], told: Sequence[Mapping[str, Any]], count: int) -> list[GeneratedToken]:
    if [entry.get("id") for entry in told] != list(ids):
        raise EngineUnavailable("the engine sends no log probability for each id; use a newer llama-server")
    return [
        GeneratedToken(
            entry["id"],
            entry["logprob"],
            tuple((top["id"], top["logprob"]) for top in entry.get("top_logprobs", ())[:count]),
        )
        for entry in told
    ]
