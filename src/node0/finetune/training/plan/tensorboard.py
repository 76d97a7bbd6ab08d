# SPDX-License-Identifier: Apache-2.0
"""Check that TensorBoard, an optional package, is installed where a run asks for it."""

from importlib.util import find_spec

from node0.errors import ConfigError


def require_tensorboard() -> None:
    """Raise `ConfigError` when TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "tensorboard=true needs the tensorboard package; "
            "pip install 'gastown-finetune[tensorboard]' or --set tensorboard=false"
        )
