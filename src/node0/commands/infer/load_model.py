# SPDX-License-Identifier: Apache-2.0
"""Load the model that a person named into this process, ready to be asked."""

import asyncio

from node0.commands.infer.model_choice import ModelChoice
from node0.commands.serve.model_offers import Offer, SourceChoice, served_model
from node0.commands.serve.own_weights import OwnWeights, default_cache_bytes
from node0.commands.serve.retrieval_places import EVERY_MODEL, NOWHERE, RetrievalPlaces
from node0.finetune.inference.generator import sampling_params
from node0.finetune.inference.reply import Answering
from node0.finetune.serving.asking.own_model import OwnModel
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import ModelPool
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.served_models import ModelCatalogue

CONTEXTS = 2
"What one person's conversations may keep, in whole contexts."


def load_model(choice: ModelChoice, how: Answering) -> OwnModel:
    """Find, check and load it, over the engine that `node0 serve` has.

    Raises:
        NotFound: no such model or adapter, or it has no tokenizer.
        BadCheckpoint: its files are not what was registered.
        ConfigError: no such device, type or role; or `how` is out of range, which is said before anything
            is looked for.
    """
    sampling_params(how.temperature, how.top_p, how.top_k, how.seed)
    retrieval = RetrievalPlaces({EVERY_MODEL: choice.rag_dir}) if choice.rag_dir else NOWHERE
    kind = SourceChoice(
        choice.adapters, choice.role, None, choice.device, choice.dtype, choice.town, retrieval
    )
    source = kind.find(choice.name or "")
    offer = Offer(source, [source.name], source.name)
    weights = OwnWeights(kind, max_running=CONTEXTS)
    weights.start([offer])
    sizes = [loader.nbytes for loader in weights.loaders.values()]
    weights.cache_bytes = default_cache_bytes(sizes, kind.device, 1)
    served = served_model(offer, kind, context=weights.context(source))
    engine = LocalEngine(ModelPool(weights.loaders), weights.placements, max_running=CONTEXTS)
    runner = asyncio.Runner()
    runner.run(engine.warm_up())
    return OwnModel(Gateway(ModelCatalogue([served]), engine), served, runner=runner)
