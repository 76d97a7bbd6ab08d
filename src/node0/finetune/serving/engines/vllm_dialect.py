# SPDX-License-Identifier: Apache-2.0
"""vLLM's `/v1/completions` with a list of token ids, and `return_token_ids`."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.errors import EngineUnavailable
from node0.finetune.serving.constraint import LLGUIDANCE, AnswerForm, grammar
from node0.finetune.serving.engines.remote_engine import Ask
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest


class VllmDialect:
    """vLLM, and what speaks as it does. Adapters are model names there."""

    path = "/v1/completions"
    health = "/health"
    advice = "make the schema simpler, or start vLLM with --structured-outputs-config.backend guidance"

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
        if request.logprobs is not None:
            body |= {"logprobs": request.logprobs, "return_tokens_as_token_ids": True}
        return body if sampling.seed is None else {**body, "seed": sampling.seed}

    async def binding(self, form: AnswerForm, request: GenerationRequest, ask: Ask) -> Mapping[str, Any]:
        """The grammar that our own engine follows: vLLM's backend `guidance` is the same library.

        The line before it keeps `xgrammar` away, which reads the notation and drops parts of schemas.
        """
        return {"structured_outputs": {"grammar": f"{LLGUIDANCE}\n{grammar(form, compact=True)}"}}

    def tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The new ids; the first event also says which prompt was read."""
        choices = event.get("choices")
        if not choices:
            return ()
        read = choices[0].get("prompt_token_ids")
        if read is not None and tuple(read) != request.prompt:
            raise EngineUnavailable("the engine read other ids than it was sent; it must take them unchanged")
        ids = choices[0].get("token_ids")
        if ids is None and choices[0].get("text"):
            raise EngineUnavailable("the engine sends no token_ids; use vLLM 0.10.2 or newer")
        if request.logprobs is None:
            return [GeneratedToken(token_id) for token_id in ids or ()]
        return _with_logprobs(ids or (), choices[0].get("logprobs") or {}, request.logprobs)


def _with_logprobs(ids: Sequence[int], told: Mapping[str, Any], count: int) -> list[GeneratedToken]:
    """vLLM tells one more than was asked for where the id that came is not among the likeliest."""
    own, likeliest = told.get("token_logprobs") or [], told.get("top_logprobs") or []
    if len(own) != len(ids) or (count and len(likeliest) != len(ids)):
        raise EngineUnavailable("the engine sends no log probability for each id; use vLLM 0.10.2 or newer")
    tops = [_ordered(entry or {})[:count] for entry in likeliest] if count else [()] * len(ids)
    return [GeneratedToken(*parts) for parts in zip(ids, own, tops, strict=True)]


def _ordered(entry: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
    """`{"token_id:5": -0.1}` as pairs, the likeliest first."""
    pairs = [(int(name.removeprefix("token_id:")), value) for name, value in entry.items()]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))
