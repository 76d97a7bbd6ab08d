# SPDX-License-Identifier: Apache-2.0
"""Read and write Hugging Face's config.json.

Two spellings exist: up to transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`) and from 5
(`rope_parameters`, `dtype`). Both are read; the older is written, since both versions read it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from node0.documents.json_document import read_object
from node0.errors import BadCheckpoint, ConfigError, UnsupportedArchitecture
from node0.model_files import MODEL_CONFIG
from node0.models.llama.arguments import LlamaArguments, RopeScaling
from node0.models.llama.blocks import ffn_dim
from node0.models.llama.rope import head_dim

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"Supported `model_type`s."

_UNSCALED = (None, "default")
_ROPE_FIELDS = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


def read_config(directory: Path) -> dict[str, Any]:
    """What `directory`/config.json holds.

    Raises:
        BadCheckpoint: the file is absent, or no JSON object of a config's size.
    """
    path = directory / MODEL_CONFIG
    try:
        return read_object(path)
    except FileNotFoundError:
        raise BadCheckpoint(
            f"{directory} has no {MODEL_CONFIG}; name a directory that holds a base"
        ) from None
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be read ({error}); name a directory that holds a base") from error


def read_arguments(directory: Path) -> LlamaArguments:
    """Arguments of the whole model from `directory`/config.json.

    Raises:
        BadCheckpoint: the file is absent or wrong.
        UnsupportedArchitecture: it describes a model that these layers cannot compute.
    """
    path, config = directory / MODEL_CONFIG, read_config(directory)
    try:
        return arguments_from_config(config, where=str(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadCheckpoint(
            f"{path}: {field} is {first['input']!r:.60}, which no model has ({first['msg']}); "
            "download the base again"
        ) from None
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadCheckpoint(
            f"{path}: a field is missing or wrong ({detail}); download the base again"
        ) from error


def is_ours(directory: Path) -> bool:
    """Whether these layers compute the model of `directory`/config.json.

    Raises:
        BadCheckpoint: the file is absent or wrong.
    """
    try:
        read_arguments(directory)
    except UnsupportedArchitecture:
        return False
    return True


def arguments_from_config(config: Mapping[str, Any], *, where: str = "config.json") -> LlamaArguments:
    """Arguments of the whole model from a parsed config.json in either spelling."""
    family = config.get("model_type")
    if family not in ARCHITECTURES:
        raise UnsupportedArchitecture(
            f"{where}: model_type {family!r} is not supported; take one of {', '.join(ARCHITECTURES)}, or "
            "train and ask it whole, in one process"
        )
    _refuse_unsupported(config, where)
    attention_bias = family in ("llama", "qwen3") and bool(config.get("attention_bias", False))
    theta, scaling = _rope(config, where)
    return LlamaArguments(
        family=family,
        hidden_dim=config["hidden_size"],
        n_heads=config["num_attention_heads"],
        n_kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
        head_dim=config.get("head_dim") or _default_head_dim(config),
        num_hidden_layers=config["num_hidden_layers"],
        vocab_size=config["vocab_size"],
        ffn_dim=config["intermediate_size"],
        norm_eps=config.get("rms_norm_eps", 1e-6),
        rope_theta=theta,
        rope_scaling=scaling,
        max_seq_len=config.get("max_position_embeddings", 2048),
        qkv_bias=family == "qwen2" or attention_bias,
        out_bias=attention_bias,
        mlp_bias=family == "llama" and bool(config.get("mlp_bias", False)),
        qk_norm=family == "qwen3",
        tie_embeddings=bool(config.get("tie_word_embeddings", False)),
        sliding_window=_sliding_window(config, where),
        init_std=config.get("initializer_range", 0.02),
    )


def config_from_arguments(args: LlamaArguments, *, dtype: str = "float32") -> dict[str, Any]:
    """config.json of a whole model, readable by transformers 4 and 5.

    Raises:
        ConfigError: the family's code in transformers cannot compute this shape.
    """
    _refuse_foreign_features(args)
    config: dict[str, Any] = {
        "architectures": [ARCHITECTURES[args.family]],
        "model_type": args.family,
        "hidden_size": args.hidden_dim,
        "intermediate_size": ffn_dim(args),
        "num_hidden_layers": args.num_hidden_layers,
        "num_attention_heads": args.n_heads,
        "num_key_value_heads": args.n_kv_heads or args.n_heads,
        "head_dim": head_dim(args),
        "vocab_size": args.vocab_size,
        "max_position_embeddings": args.max_seq_len,
        "rms_norm_eps": args.norm_eps,
        "rope_theta": args.rope_theta,
        "rope_scaling": _scaling_config(args.rope_scaling),
        "tie_word_embeddings": args.tie_embeddings,
        "initializer_range": args.init_std,
        "hidden_act": "silu",
        "use_cache": True,
        "torch_dtype": dtype,
    }
    if args.family in ("llama", "qwen3"):
        config["attention_bias"] = args.qkv_bias
    if args.family == "llama":
        config["mlp_bias"] = args.mlp_bias
    if args.family == "mistral":
        config["sliding_window"] = args.sliding_window
    return config


def _refuse_unsupported(config: Mapping[str, Any], where: str) -> None:
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "unknown")
        raise BadCheckpoint(
            f"{where}: the base is quantized ({method}), which is not supported; take the original weights"
        )
    heads, kv_heads = int(config["num_attention_heads"]), int(config.get("num_key_value_heads") or 0)
    if kv_heads and heads % kv_heads:
        raise BadCheckpoint(
            f"{where}: {heads} heads cannot share {kv_heads} key heads; download the base again"
        )
    activation = config.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise UnsupportedArchitecture(f"{where}: hidden_act {activation!r} is not supported; only silu is")
    if config.get("pretraining_tp", 1) not in (None, 0, 1):
        raise UnsupportedArchitecture(
            f"{where}: pretraining_tp {config['pretraining_tp']} is not supported; only 1 is"
        )


def _default_head_dim(config: Mapping[str, Any]) -> int:
    # Qwen3's own default differs from the quotient; its files leave the field out rarely.
    if config["model_type"] == "qwen3":
        return 128
    return int(config["hidden_size"] // config["num_attention_heads"])


def _rope(config: Mapping[str, Any], where: str) -> tuple[float, RopeScaling | None]:
    newer = config.get("rope_parameters")
    table = dict(newer or config.get("rope_scaling") or {})
    theta = float(table.pop("rope_theta", None) or config.get("rope_theta") or 10000.0)
    kind = table.get("rope_type", table.get("type"))
    if kind in _UNSCALED:
        return theta, None
    if kind not in ("llama3", "linear"):
        raise UnsupportedArchitecture(
            f"{where}: rope_type {kind!r} is not supported; llama3, linear and default are"
        )
    return theta, RopeScaling(rope_type=kind, **{key: table[key] for key in _ROPE_FIELDS if key in table})


def _scaling_config(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    if scaling.rope_type == "linear":
        return {"rope_type": "linear", "factor": scaling.factor}
    return scaling.model_dump()


def _sliding_window(config: Mapping[str, Any], where: str) -> int | None:
    family, window = config["model_type"], config.get("sliding_window")
    if family == "mistral":
        return window
    if family in ("qwen2", "qwen3") and config.get("use_sliding_window"):
        raise UnsupportedArchitecture(
            f"{where}: use_sliding_window of {family} is not supported; take a base without it"
        )
    return None


def _refuse_foreign_features(args: LlamaArguments) -> None:
    """What the family's code in transformers does not have would be lost in silence."""
    family = args.family
    wrong = {
        "qk_norm": args.qk_norm != (family == "qwen3"),
        "qkv_bias": args.qkv_bias != args.out_bias
        if family in ("llama", "qwen3")
        else args.qkv_bias != (family == "qwen2"),
        "out_bias": args.out_bias and family not in ("llama", "qwen3"),
        "mlp_bias": args.mlp_bias and family != "llama",
        "sliding_window": args.sliding_window is not None and family != "mistral",
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(
                f"{field}={getattr(args, field)} cannot be exported as {family}; change it or the family"
            )
