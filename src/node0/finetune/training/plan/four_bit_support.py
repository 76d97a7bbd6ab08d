# SPDX-License-Identifier: Apache-2.0
"""Check that a base can be held in 4 bits here: settings, packages, and a kernel for the device."""

from importlib.util import find_spec

import torch

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.lora.four_bit import dense, pack

PACKAGES = ("bitsandbytes", "accelerate")
"accelerate is what transformers reads a model with that it packs."


def require_four_bit(config: FineTuneConfig, device: str) -> None:
    """Raise `ConfigError` where `quantize` is asked for and settings, packages or device do not allow it."""
    if config.quantize is None:
        return
    asked = f"quantize={config.quantize}"
    if config.lora is None or config.base_model is None:
        raise ConfigError(
            f"{asked} holds a frozen base and trains an adapter on it; give --base-model and lora, "
            "or --set quantize=null"
        )
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ConfigError(
                f"{asked} needs the {package} package; "
                "pip install 'gastown-finetune[nf4]' or --set quantize=null"
            )
    _refuse_without_kernel(asked, device)


def _refuse_without_kernel(asked: str, device: str) -> None:
    """Pack and unpack a few numbers: which devices there are kernels for changes with every version."""
    try:
        dense(pack(torch.ones((8, 64), device=device)))
    except Exception as error:  # whatever the library and its loader raise
        raise ConfigError(
            f"{asked} has no kernel for {device} ({type(error).__name__} in bitsandbytes); "
            "use --device cpu or cuda, or --set quantize=null"
        ) from error
