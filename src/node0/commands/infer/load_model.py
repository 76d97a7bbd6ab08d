# SPDX-License-Identifier: Apache-2.0
"""Load the model that a person named into this process, ready to be asked."""

import asyncio
from functools import partial

from node0.commands.infer.model_choice import ModelChoice
from node0.errors import NotFound
from node0.finetune.inference.generator import sampling_params
from node0.finetune.inference.loading import find_source, load_speech, load_weights, weight_bytes
from node0.finetune.inference.reply import Answering
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.asking.own_model import OwnModel
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.prefix_reuse import ReusingPipeline
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel


def load_model(choice: ModelChoice, how: Answering) -> OwnModel:
    """Find, check and load it, over the engine that `node0 serve` has.

    Raises:
        NotFound: no such model or adapter, or it has no tokenizer.
        BadCheckpoint: its files are not what was registered.
        ConfigError: no such device, type or role; or `how` is out of range, which is said before anything
            is looked for.
    """
    sampling_params(how.temperature, how.top_p, how.top_k, how.seed)
    source = find_source(choice.name, town=choice.town, adapters=choice.adapters)
    served = _served(choice, source)
    engine = _engine(choice, source, served)
    runner = asyncio.Runner()
    runner.run(engine.warm_up())
    return OwnModel(Gateway(ModelCatalogue([served]), engine), served, runner=runner)


def _served(choice: ModelChoice, source: ModelSource) -> ServedModel:
    speech = load_speech(source, role=choice.role)
    tokenizer, args = speech.tokenizer, source.base.args
    if tokenizer is None or speech.renderer is None:
        raise NotFound(f"model {source.name} has no tokenizer; put its tokenizer.json beside the weights")

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    return ServedModel(
        ids=(source.name,),
        engine_name=source.name,
        renderer=speech.renderer,
        decode=decode,
        context=args.max_seq_len,
        vocab_size=args.vocab_size,
    )


def _engine(choice: ModelChoice, source: ModelSource, served: ServedModel) -> LocalEngine:
    where = {"device": choice.device, "dtype": choice.dtype}
    load = partial(_load, source, **where)
    pool = ModelPool({served.engine_name: Loader(weight_bytes(source, **where), load)})
    return LocalEngine(pool, {served.engine_name: served.context})


def _load(source: ModelSource, *, device: str, dtype: str) -> ReusingPipeline:
    return ReusingPipeline(load_weights(source, device=device, dtype=dtype))
