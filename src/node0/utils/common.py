# SPDX-License-Identifier: Apache-2.0
"""`build_cls`: an object from a class name and arguments in a configuration file."""

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from node0.errors import ConfigError

ALLOWED_PREFIXES = ("node0.", "torch.optim.")
"A configuration file may name nothing else: it must not call any function of the interpreter."


def build_cls(class_path: str, init_args: Mapping[str, Any] | None = None, partial_init: bool = False) -> Any:
    """Build `class_path(**init_args)`, or a `functools.partial` of it with `partial_init`.

    Raises `ConfigError` for a name outside `ALLOWED_PREFIXES`, an unknown name, something that
    is not a class, or arguments that the class refuses.
    """
    cls = _find(class_path)
    arguments = dict(init_args or {})
    if partial_init:
        return functools.partial(cls, **arguments)
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines()[:3])
        raise ConfigError(f"cannot build {class_path}: {reason}") from None


def _find(class_path: str) -> type:
    if not class_path.startswith(ALLOWED_PREFIXES):
        allowed = " or ".join(f"{prefix}*" for prefix in ALLOWED_PREFIXES)
        raise ConfigError(f"class_name {class_path!r} is not allowed; use {allowed}")
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ConfigError(f"class_name {class_path!r} does not exist; check its spelling") from None
    if not isinstance(found, type) or not found.__module__.startswith(ALLOWED_PREFIXES):
        raise ConfigError(f"class_name {class_path!r} is not a class of this project or of torch.optim")
    return found
