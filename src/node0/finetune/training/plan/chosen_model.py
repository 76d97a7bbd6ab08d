# SPDX-License-Identifier: Apache-2.0
"""Choose the model of a run: who computes it, whether it can be cut, and where its adapter goes."""

from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.tracker_support import require_trackers
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.base_model import BaseModelDir, fresh_digest
from node0.models.hf.hf_arguments import HFArguments
from node0.models.hf.hf_base import HFBase, resolve_any_base
from node0.models.hf_config import ARCHITECTURES
from node0.models.llama.arguments import LlamaArguments
from node0.models.split import split_layers
from node0.models.weights import HF_LINEAR
from node0.settings import nearest
from node0.utils.common import build_cls


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What is trained, before it is loaded."""

    base: BaseModelDir | HFBase | None
    "None for a model that starts from random weights."

    args: LlamaArguments | HFArguments
    "Of the whole model."

    digest: str


def choose_model(config: FineTuneConfig) -> ChosenModel:
    """Find the base, or the fresh model, and check that it can be cut, adapted and fed rows as asked.

    Raises:
        ConfigError: settings contradict each other or name something absent.
        BadCheckpoint: the base or the adapter to start from is not what its run wrote.
    """
    _refuse_contradictions(config)
    for start in (config.base_model, config.init_adapter):
        if start is not None:
            RunDirectory(Path(start)).verify_if_finished()
    if config.base_model is None:
        fresh = _fresh_arguments(config)
        chosen = ChosenModel(None, fresh, fresh_digest(fresh, config.seed))
    else:
        base = resolve_any_base(config.base_model, config.base_revision)
        chosen = ChosenModel(base, base.args, base.digest)
    _refuse_long_rows(config, chosen.args)
    with_adapted_layers(config, chosen.args)
    if config.num_stages != 1 or isinstance(chosen.args, LlamaArguments):
        split_layers(own_arguments(chosen.args), config.num_stages, config.layers_per_stage)
    return chosen


def own_arguments(args: LlamaArguments | HFArguments) -> LlamaArguments:
    """The arguments of a model whose stages may be cut and put on other machines.

    Raises:
        ConfigError: transformers computes it, whole.
    """
    if isinstance(args, LlamaArguments):
        return args
    raise ConfigError(
        f"a {args.family} is computed by transformers, whole, and not by the stages of a swarm; train it in "
        f"one process or under torchrun, or take a base of {', '.join(ARCHITECTURES)}"
    )


def with_adapted_layers(config: FineTuneConfig, args: LlamaArguments | HFArguments) -> FineTuneConfig:
    """The settings with `lora.target_modules` as the base names its layers.

    Raises:
        ConfigError: the base has no layer of that name, or none at all that can be adapted.
    """
    if config.lora is None:
        return config
    wanted = config.lora.target_modules
    known = args.linear_names if isinstance(args, HFArguments) else list(ALL_LINEAR)
    names = _in_base(wanted, known) if isinstance(args, HFArguments) else wanted
    for name in names:
        if name not in known:
            raise ConfigError(f"no layer to adapt is named {name!r}{nearest(name, known)}")
    if not names:
        raise ConfigError(
            f"a {args.family} has no linear layer to adapt; take another base, or --set lora=null"
        )
    return config.model_copy(update={"lora": config.lora.model_copy(update={"target_modules": names})})


def describe_stage(args: LlamaArguments | HFArguments, lora: LoRAConfig | None) -> list[tuple[str, str]]:
    """What a plan says of who computes the model: names and values."""
    rows = [("computed by", "our own blocks")]
    if isinstance(args, HFArguments):
        documents = "packed, if its weights keep them apart" if args.takes_positions else "one a row, padded"
        rows = [
            ("computed by", f"transformers ({args.family}), in one stage"),
            ("documents", documents),
            ("answers", "one at a time here; vLLM is faster"),
        ]
    if lora is not None:
        rows.append(("adapted layers", ", ".join(lora.target_modules)))
    return rows


def _refuse_contradictions(config: FineTuneConfig) -> None:
    require_trackers(config)
    if config.base_model is None and config.fresh_model is None:
        raise ConfigError("no model to train; give --base-model DIR|HUB_ID, or fresh_model in the YAML file")
    if config.base_model is None and config.lora is not None:
        raise ConfigError("an adapter needs a base; give --base-model DIR|HUB_ID, or --set lora=null")
    if config.init_adapter is not None and config.lora is None:
        raise ConfigError(f"init_adapter {config.init_adapter} needs lora settings; give lora.rank as it has")


def _fresh_arguments(config: FineTuneConfig) -> LlamaArguments:
    section = config.fresh_model or {}
    args = build_cls(str(section.get("class_name", "")), section.get("init_args"))
    if not isinstance(args, LlamaArguments):
        raise ConfigError(
            f"fresh_model names {section.get('class_name')!r}; "
            "use node0.models.llama.arguments.LlamaArguments"
        )
    return args


def _in_base(wanted: list[str], known: list[str]) -> list[str]:
    """Our names in those of Hugging Face; all linear layers where the base lacks one that ours stand for.

    A family that lays matrices together, or calls them otherwise, has no part that ours could mean.
    """
    ours = [name for name in wanted if name in HF_LINEAR and name not in known]
    spelled = {name: HF_LINEAR[name].rpartition(".")[2] for name in ours}
    if any(name not in known for name in spelled.values()):
        # What is neither ours nor the base's stays, for the caller to refuse.
        return [*known, *(name for name in wanted if name not in HF_LINEAR and name not in known)]
    return list(dict.fromkeys(spelled.get(name, name) for name in wanted))


def _refuse_long_rows(config: FineTuneConfig, args: LlamaArguments | HFArguments) -> None:
    if config.max_length > args.max_seq_len:
        raise ConfigError(
            f"max_length {config.max_length} exceeds the model's {args.max_seq_len} positions; "
            f"--set max_length={args.max_seq_len}"
        )
