# SPDX-License-Identifier: Apache-2.0
import inspect
from pathlib import Path

from node0.commands.serve.serve_request import ServeRequest


def test_what_is_chosen_for_every_model_is_what_was_asked(tmp_path: Path) -> None:
    fields = dict.fromkeys(inspect.signature(ServeRequest).parameters)
    asked = {
        **fields,
        "models": ("deacon=base",),
        "adapters": ("one",),
        "role": "deacon",
        "device": "cpu",
        "dtype": "float32",
        "town": tmp_path,
        "rag_dirs": (),
    }

    choice = ServeRequest(**asked).choice  # type: ignore[arg-type]  # the rest is of no account here

    assert (choice.adapters, choice.role, choice.device, choice.dtype, choice.town) == (
        ("one",),
        "deacon",
        "cpu",
        "float32",
        tmp_path,
    )
