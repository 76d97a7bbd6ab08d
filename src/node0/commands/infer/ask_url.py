# SPDX-License-Identifier: Apache-2.0
"""Connect to the server that a person named by its URL."""

from node0.commands.infer.model_choice import ModelChoice
from node0.finetune.chat.profile import load_profile
from node0.finetune.serving.asking.url_model import UrlModel
from node0.finetune.serving.http.api_keys import read_keys


def connect(choice: ModelChoice) -> UrlModel:
    """The model there; with a role the server is told of the role's tools with each request.

    Raises:
        ConfigError: the URL can be none, the token cannot be read, or there is no such role.
        EngineUnavailable: nothing answers there.
        NotFound: it has no such model.
    """
    token = read_keys(choice.token_file)[0].token if choice.token_file else None
    tools = load_profile(choice.role).tool_list() if choice.role else ()
    return UrlModel(choice.url or "", choice.name, token=token, tools=tools)
