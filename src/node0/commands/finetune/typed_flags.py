# SPDX-License-Identifier: Apache-2.0
"""Read settings that were typed as flags of their own, by our names or by those of other trainers."""

import difflib
from collections.abc import Collection, Sequence

from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.setting_aliases import ALIASES


def as_settings(arguments: Sequence[str], own: Collection[str]) -> list[str]:
    """The arguments, with `--set NAME=VALUE` for each setting that has no flag: `--learning_rate 1e-4`.

    own: the flags that the command has.
    """
    read: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        flag, given, value = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or flag in own or not _is_setting(name, own):
            read.append(argument)
            continue
        follows = value if given else next(rest, None)
        # Without a value it is left for the command to refuse.
        read += [argument] if follows is None else ["--set", f"{name}={follows}"]
    return read


def _is_setting(name: str, own: Collection[str]) -> bool:
    """Whether it is one, or is so like one that whoever reads settings should name that."""
    known = [*ALIASES, *FineTuneConfig.model_fields]
    flags = [flag.removeprefix("--").replace("-", "_") for flag in own]
    close = difflib.get_close_matches(name, [*flags, *known], n=1, cutoff=0.8)
    return name in known or name.partition(".")[0] in known or bool(close and close[0] not in flags)
