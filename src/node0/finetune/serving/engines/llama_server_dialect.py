# SPDX-License-Identifier: Apache-2.0
"""llama-server's `/completion` with an array of token ids, and `return_tokens`."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from node0.errors import EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm
from node0.finetune.serving.engines.llama_grammar import llama_grammar
from node0.finetune.serving.engines.llama_schema import check_schema
from node0.finetune.serving.engines.remote_engine import Ask
from node0.finetune.serving.engines.token_engine import HELD_BACK, GeneratedToken, GenerationRequest

REMEMBERED = 500
"Schemas whose rules are kept; a tool's is the same in each request."


class LlamaServerDialect:
    """llama.cpp's server. It serves the one model that it was started with."""

    path = "/completion"
    health = "/health"
    advice = "make the schema simpler"

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}
        "Of schemas, as the engine told them."

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

    async def binding(self, form: AnswerForm, request: GenerationRequest, ask: Ask) -> Mapping[str, Any]:
        """A grammar of ours around the engine's own rules of schemas."""
        constraint = form.constraint
        schemas = [schema for _, schema in constraint.tools]
        for schema in [*schemas, *([constraint.schema] if constraint.schema is not None else [])]:
            check_schema(schema)
        learn = partial(self._learnt, request, ask)
        answer = await learn(constraint.schema) if constraint.schema is not None else None
        return {
            "grammar": llama_grammar(form, answer=answer, arguments=[await learn(each) for each in schemas])
        }

    async def _learnt(self, request: GenerationRequest, ask: Ask, schema: Mapping[str, Any]) -> str:
        """The rules of a schema: the engine tells them with what it was asked, before it answers anything.

        What it computes for that is the prompt, which it keeps for the request itself.
        """
        name = json.dumps(schema)
        if name not in self._rules:
            body = {
                "prompt": list(request.prompt),
                "n_predict": 0,
                "cache_prompt": True,
                "json_schema": schema,
            }
            told = await ask(body)
            rules = (told.get("generation_settings") or {}).get("grammar")
            if not isinstance(rules, str) or "root ::=" not in rules:
                raise EngineUnavailable("the engine tells no grammar of a schema; use a newer llama-server")
            while len(self._rules) >= REMEMBERED:
                del self._rules[next(iter(self._rules))]
            self._rules[name] = rules
        return self._rules[name]

    def tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The new ids; the last event also counts the prompt's, and those of a character that was cut off."""
        if event.get("stop"):
            read = event.get("tokens_evaluated", len(request.prompt))
            if read != len(request.prompt):
                raise EngineUnavailable(
                    f"the engine read {read} ids of the {len(request.prompt)} it was sent; "
                    "it must take them unchanged"
                )
            cut = event.get("tokens_predicted", 0) - seen if event.get("stop_type") == "limit" else 0
            return [GeneratedToken(HELD_BACK)] * cut
        ids, text = event.get("tokens") or [], event.get("content") or ""
        if not ids and text:
            raise EngineUnavailable("the engine sends no tokens; use a newer llama-server")
        held = max(0, event.get("tokens_predicted", 0) - seen - len(ids))
        if held and ids and not text.isascii():
            return _after_held(held, ids, text, request)
        if request.logprobs is None:
            return [GeneratedToken(token_id) for token_id in ids]
        return _with_logprobs(ids, event.get("completion_probabilities") or [], request.logprobs)


def _after_held(held: int, ids: Sequence[int], text: str, request: GenerationRequest) -> list[GeneratedToken]:
    """The id at which a character ended, after ids of which the engine sends their text alone."""
    if request.logprobs is not None:
        raise EngineUnavailable("the engine tells no log probability within a character; leave logprobs out")
    return [GeneratedToken(HELD_BACK)] * (held + len(ids) - 1) + [GeneratedToken(ids[-1], text=text)]


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
