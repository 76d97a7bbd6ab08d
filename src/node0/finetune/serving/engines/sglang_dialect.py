# SPDX-License-Identifier: Apache-2.0
"""SGLang's `/generate` with `input_ids`; its events bring `output_ids`."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm
from node0.finetune.serving.engines.remote_engine import Ask
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest


class SglangDialect:
    """SGLang. It serves one base; an adapter over it is named `BASE:ADAPTER`, as in its other endpoints.

    Source: SGLang's documentation, "SGLang Native APIs" and "Sampling Parameters".
    """

    path = "/generate"
    health = "/health"
    advice = "leave the form out"

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """Ids in, ids out; what a model's generation_config.json might change is named."""
        sampling = request.sampling
        drawn: dict[str, Any] = {
            "max_new_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "stop_token_ids": list(request.stop_ids),
        }
        if sampling.seed is not None:
            drawn["sampling_seed"] = sampling.seed
        body: dict[str, Any] = {
            "input_ids": list(request.prompt),
            "sampling_params": drawn,
            "stream": True,
        }
        if request.logprobs is not None:
            body |= {"return_logprob": True, "top_logprobs_num": request.logprobs}
        adapter = request.model.partition(":")[2]
        return {**body, "lora_path": adapter} if adapter else body

    async def binding(self, form: AnswerForm, request: GenerationRequest, ask: Ask) -> Mapping[str, Any]:
        """Refused: its grammars are not ours, and none was tried."""
        raise ConfigError(
            "behind SGLang no answer is held to a form; leave out response_format, strict and tool_choice, "
            "or serve by --engine own, vllm or llama-server"
        )

    def tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The new ids. An event holds all so far, or new ones only (`--incremental-streaming-output`)."""
        told = event.get("meta_info")
        if not isinstance(told, Mapping) or not isinstance(event.get("output_ids"), list):
            raise EngineUnavailable("the engine sends no output_ids; use an SGLang that streams them")
        read = told.get("prompt_tokens", len(request.prompt))
        if read != len(request.prompt):
            raise EngineUnavailable(
                f"the engine read {read} ids of the {len(request.prompt)} it was sent; "
                "it must take them unchanged"
            )
        if request.logprobs is None:
            found = [GeneratedToken(token_id) for token_id in event["output_ids"]]
        else:
            found = _with_logprobs(told, request.logprobs)
        return _new(found, told.get("completion_tokens", seen), seen)


def _new(found: list[GeneratedToken], count: int, seen: int) -> Sequence[GeneratedToken]:
    """Those that were not seen; `count` is of all so far, a list of all may already be longer."""
    if len(found) >= max(count, seen):
        return found[seen:]
    if seen + len(found) != count:
        raise EngineUnavailable(f"the engine counts {count} ids and sent {seen + len(found)}; see its log")
    return found


def _with_logprobs(told: Mapping[str, Any], count: int) -> list[GeneratedToken]:
    """An entry is `[log probability, id, text or null]`."""
    own, likeliest = told.get("output_token_logprobs"), told.get("output_top_logprobs")
    if not isinstance(own, list) or (count and len(likeliest or []) != len(own)):
        raise EngineUnavailable("the engine sends no log probability for each id; see its log")
    tops = (
        [tuple((entry[1], entry[0]) for entry in top[:count]) for top in likeliest]
        if count and likeliest
        else []
    )
    return [
        GeneratedToken(entry[1], entry[0], top)
        for entry, top in zip(own, tops or [()] * len(own), strict=True)
    ]
