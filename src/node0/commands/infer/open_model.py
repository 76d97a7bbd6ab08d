# SPDX-License-Identifier: Apache-2.0
"""Open the chosen model: connect to its server, or load it here. What either needs is imported then."""

from typing import TYPE_CHECKING

from node0.commands.infer.model_choice import ModelChoice
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.infer import ask_url as remote
    from node0.commands.infer import load_model as own
    from node0.finetune.inference.reply import Answering
    from node0.finetune.serving.asking.asked_model import AskedModel
else:
    own = when_called("node0.commands.infer.load_model")
    remote = when_called("node0.commands.infer.ask_url")


def open_model(choice: ModelChoice, how: "Answering") -> "AskedModel":
    """The model, ready to be asked; `how` is checked before a model of this process is looked for."""
    return remote.connect(choice) if choice.url is not None else own.load_model(choice, how)
