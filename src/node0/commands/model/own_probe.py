# SPDX-License-Identifier: Apache-2.0
"""Whether a version answers on this project's own engine: loaded in this process, and asked for one token."""

from contextlib import closing
from pathlib import Path

from node0.errors import EndpointUnfit
from node0.finetune.deploy.endpoint import Wanted
from node0.finetune.inference.loading import load_model


def probe_own(wanted: Wanted, *, town: Path | None) -> None:
    """Load the version and generate from token ids, as its server will.

    Args:
        wanted: `model` is the version as `NAME:VER`.
        town: root of the town whose registry has it; None finds it.

    Raises:
        EndpointUnfit: its context is shorter than promised, or it gives no token.
        BadCheckpoint, BadSignature, NotFound: it cannot be loaded.
    """
    loaded = load_model(wanted.model, town=town)
    with closing(loaded.pipeline):
        if loaded.context < wanted.context_window:
            raise EndpointUnfit(
                f"{wanted.model} holds {loaded.context} tokens, its profile says {wanted.context_window}; "
                "lower context_window in the profile"
            )
        ids = [number % loaded.args.vocab_size for number in wanted.ids]
        if next(iter(loaded.generator().generate(ids, max_new_tokens=1)), None) is None:
            raise EndpointUnfit(f"{wanted.model} gives no token; look at it with: node0 infer")
